"""The endpoint: an image in, the champion's answer out. It imports no TensorFlow, Keras, ZenML or MLflow.

In the order in which a request meets them: `front` (socket, ids, keys, limits), the `routes` of `api`,
`received` (the image's bytes), `versions` (which bundle answers), `workers` (a thread for it), `engine` (asks
`caching`, or decodes and infers), `observers` (who is told), `answers` (the JSON) as `schemas` describe it.
`settings` are the SIGHTLINE_* variables, `service` puts all together for BentoML, `bento` packs it with one
bundle; `client` is for those who call. `python -m serving` starts it.
"""

import os

# BentoML sends usage data unless this is set before it is imported, and this file comes first.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
