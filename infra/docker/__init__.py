"""Images, compose.yaml, what its containers read; and the same as processes of one machine."""
