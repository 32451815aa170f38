{{ base_table('crm__employees') }}
