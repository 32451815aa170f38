{{ base_table('crm__surveys') }}
