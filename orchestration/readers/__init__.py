"""Everything that reads what is published: the report, the workbook, the lists, the headline."""
