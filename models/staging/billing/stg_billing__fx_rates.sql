{{ newest_rows('billing__fx_rates') }}
