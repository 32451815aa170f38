{{ newest_rows('crm__customer_ids') }}
