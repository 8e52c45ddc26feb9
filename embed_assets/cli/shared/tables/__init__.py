"""Tables that commands print: status, plan, hits."""
