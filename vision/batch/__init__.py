"""Batch prediction: any number of images -> a folder of parquet files, one row an image.

In the order in which an image meets them: `inputs` and `tables` name it, `plan` gives it a part, `engines`
(or `ray_engine`) finds a process for the part, `part` reads, decodes, infers and writes it (`opening`,
`loading`, `answers`, `output`), `summary` and `page` tell what came out. `run` puts them together.
"""
