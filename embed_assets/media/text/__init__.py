"""Text: the text of plain files, web pages, PDF and Word documents, and its chunks."""
