{{ base_table('crm__cases') }}
