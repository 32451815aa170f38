"""dbt in this process: the project, its manifest and its documentation page."""
