{{ newest_rows('billing__refunds') }}
