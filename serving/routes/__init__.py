"""The service's routes, a file each; api.py puts them together.

classify    POST /v1/classify: one image
batch       POST /v1/classify/batch: many
explain     POST /v1/explain: where the model looked, as a picture
feedback    POST /v1/feedback: what the right answer would have been
live        /v1/live, a WebSocket: frames in, answers out
models      /v1/models: which there are, the card of one, one image classified by it
page        the page at / and its files, the API's description at /docs, Prometheus' text
"""
