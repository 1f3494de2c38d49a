"""One version with the code of the service as a Bento: `packing` says what goes in, `build` makes it.

`trial` asks it in a `sandbox` before it may serve.
"""
