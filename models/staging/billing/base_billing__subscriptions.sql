{{ base_table('billing__subscriptions') }}
