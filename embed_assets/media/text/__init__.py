"""Text: what a text, a web page, a PDF or a Word document says, and its chunks."""
