"""UI: pictures and tables in the metadata of assets."""
