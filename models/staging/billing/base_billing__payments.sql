{{ base_table('billing__payments') }}
