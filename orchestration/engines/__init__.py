"""Settings of the engines."""
