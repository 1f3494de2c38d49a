"""The page behind `sightline review`, where a person says what images show; it is no part of the service.

`desk` gives out what waits and takes verdicts, `app` is the HTTP around it, for this machine alone, and
`page/` is what the browser runs, beside what it shares with the service's own page.
"""
