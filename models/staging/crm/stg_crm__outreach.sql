{{ newest_rows('crm__outreach') }}
