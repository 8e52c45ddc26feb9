"""Commands that keep a store in order: maintain, repair, retire, retry."""
