"""Component: the settings as YAML with templates, and what is scaffolded."""
