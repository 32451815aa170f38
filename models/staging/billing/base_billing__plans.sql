{{ base_table('billing__plans') }}
