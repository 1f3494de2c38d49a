"""The images that a request carries: `upload` finds one in its body.

`multipart`, `archive` and `url_image` help where it lies in a form, in a zip or elsewhere. `json_body` reads
what is no image.
"""
