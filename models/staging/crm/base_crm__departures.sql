{{ base_table('crm__departures') }}
