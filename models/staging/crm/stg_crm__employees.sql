{{ newest_rows('crm__employees') }}
