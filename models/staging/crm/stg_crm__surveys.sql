{{ newest_rows('crm__surveys') }}
