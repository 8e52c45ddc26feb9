"""Access: who is answered, how much may be sent, and what a browser may do with an answer."""
