{{ newest_rows('billing__invoices') }}
