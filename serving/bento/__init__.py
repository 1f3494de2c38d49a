"""One version with the service's code as a Bento: `packing` says what goes in, `build` makes it."""
