"""One refresh from the extracts to the published version: its session, its steps, its progress."""
