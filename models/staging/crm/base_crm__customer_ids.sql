{{ base_table('crm__customer_ids') }}
