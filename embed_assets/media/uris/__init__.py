"""URIs: files that the rows of a table name, read within what the settings allow."""
