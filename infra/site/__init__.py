"""docs/ as a site: `make docs` builds it into workspace/site by mkdocs-material.

`mkdocs.yml` has the order of the pages, `hooks.py` what mkdocs calls, `generated.py` the pages that are made
of the code, `links.py` what becomes of a link that leads out of docs/.
"""
