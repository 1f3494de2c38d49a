"""The `sightline` command: one thin file a verb, put together in `main`; nothing imports it."""
