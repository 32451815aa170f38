{{ newest_rows('billing__subscriptions') }}
