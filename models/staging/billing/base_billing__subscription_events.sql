{{ base_table('billing__subscription_events') }}
