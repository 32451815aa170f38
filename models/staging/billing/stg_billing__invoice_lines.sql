{{ newest_rows('billing__invoice_lines') }}
