"""The warehouse folder: its lock, its connections, publishing, and what is published."""
