"""The endpoint: an image in, the champion's answer out. It imports no TensorFlow, Keras, ZenML or MLflow.

In the order in which a request meets them: `connection` bounds what a socket may do; `edge` gives it an id
and guards every answer (`headers`, `log_format`); `gate` asks for `keys` and the `rate`, `intake` bounds what
all bodies hold. `api` has the `routes`; `upload` takes the image's bytes out of the request (`multipart`,
`archive`, `url_image`). `fleet` chooses the model, `arms` its champion or challenger by `routing`; `champion`
loads and follows them. `workers` have a thread for it, `engine` asks the `cache` or decodes and infers, and
tells the observers: `metrics`, `prediction_log`, `kept_images`, `feedback`, `guard`, `shadow`. `answers`
makes the JSON, `schema*` describe it. `settings` are the SIGHTLINE_* variables, `service` puts all together
for BentoML; `build` packs it with one bundle into a Bento; `client` is for those who call it.
"""

import os

# BentoML sends usage data unless this is set before it is imported, and this file comes first.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
