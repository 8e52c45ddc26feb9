"""Tables whose rows are media items: text files, Parquet, Lance, Delta and values of assets."""
