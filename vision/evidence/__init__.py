"""What the report may show beside the evaluation itself: parts.py says what, gather.py makes it."""
