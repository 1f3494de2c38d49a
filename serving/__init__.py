"""The endpoint: an image in, the champion's answer out. It imports no TensorFlow, Keras, ZenML or MLflow.

In the order in which a request meets them: `service` is what BentoML runs, `edge` guards every answer,
`api` holds the routes, `upload` takes the image's bytes out of the request, `champion` says which bundle
answers, `answers` makes the JSON, `schema` describes it, `metrics` counts. `settings` are the SIGHTLINE_*
variables. `build` packs all of it with one bundle into a Bento. `python -m serving` starts it.
"""

import os

# BentoML sends usage data unless this is set before it is imported, and this file comes first.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
