{{ newest_rows('billing__plans') }}
