{{ base_table('crm__outreach') }}
