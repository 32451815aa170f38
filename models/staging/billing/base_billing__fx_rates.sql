{{ base_table('billing__fx_rates') }}
