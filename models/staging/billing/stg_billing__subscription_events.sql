{{ newest_rows('billing__subscription_events') }}
