"""From files as delivered to raw tables in the notation of the contract."""
