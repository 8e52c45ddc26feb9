"""The service: search, items and media over HTTP and MCP, on the one searcher."""
