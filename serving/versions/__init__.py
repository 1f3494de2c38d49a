"""Which bundle answers: `fleet` chooses the model, `arms` its champion or challenger by `routing`.

`champion` loads and follows a version; `embedded` is the one that a Bento carries.
"""
