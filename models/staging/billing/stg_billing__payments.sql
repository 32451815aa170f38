{{ newest_rows('billing__payments') }}
