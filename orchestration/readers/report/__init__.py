"""The report: a self-contained HTML page about a published version, drawn in the browser from embedded data."""
