{{ newest_rows('crm__customers', keep_raw_row=true) }}
