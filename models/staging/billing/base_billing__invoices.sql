{{ base_table('billing__invoices') }}
