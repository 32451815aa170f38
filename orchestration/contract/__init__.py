"""The extract contract: its tables, and the mapping of a company onto them."""
