"""A classifier in the formats of other engines: written, compared with the original, measured."""
