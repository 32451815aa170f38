"""The report: one self-contained HTML page of a published version, drawn in the reader's browser from the data it carries."""
