"""URIs: files that are named in a table's rows, read as far as the settings allow."""
