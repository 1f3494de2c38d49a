"""Those that are told of every answer: they count, log, keep, compare and judge it.

`metrics` for Prometheus, `prediction_log` and `kept_images` on disk, `feedback` from users, the `shadow` of a
challenger, and the `guard` that ends an experiment.
"""
