"""The service's routes, a file each; api.py puts them together.

classify    POST /v1/classify
page        the API's description as a page, and Prometheus' text
"""
