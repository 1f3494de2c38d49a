"""What a request passes before a route sees it, from the socket on.

`connection` bounds what a socket may do. `edge` gives the request an id, guards every answer, counts and logs
it (`headers`, `log_format`). `gate` asks for `keys` and the `rate`; `intake` bounds what all bodies hold.
"""
