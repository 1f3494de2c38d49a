"""Answers that are remembered: in the process (`memory`), or in Redis for several (`redis_store`)."""
