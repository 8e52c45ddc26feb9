"""Inspection: near-duplicates, outliers and labels that disagree with the neighbours, of an index."""
