"""May a candidate serve? The gate judges its figures (decision.py), a trial its Bento (blessing.py)."""
