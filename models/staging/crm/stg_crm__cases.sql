{{ newest_rows('crm__cases') }}
