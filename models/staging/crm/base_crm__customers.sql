{{ base_table('crm__customers', keep_raw_row=true) }}
