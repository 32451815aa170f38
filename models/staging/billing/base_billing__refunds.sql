{{ base_table('billing__refunds') }}
