{{ base_table('billing__invoice_lines') }}
