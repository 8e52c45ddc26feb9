"""Map: the items of an index on a plane that stays, for the UI and for tools that draw it."""
