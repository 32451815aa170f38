{{ newest_rows('crm__departures') }}
