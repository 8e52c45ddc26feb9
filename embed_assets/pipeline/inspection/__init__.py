"""Inspection steps: what a space's live release holds, item by item, with their pictures."""
