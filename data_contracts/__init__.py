"""What the data must be, as Great Expectations suites in YAML, and `validation`, which runs them.

manifest.yaml and images.yaml are the defaults of config.contracts, predictions.yaml is for tables of the
service's answers. `quality` makes a contract of the policies in config.quality; `inference` proposes
contracts from a data set that is known to be good.

One entry is `{type, kwargs, severity, meta}`. `severity: critical` stops the run and `warning` is reported;
`meta.quarantine: true` leaves the failing rows out instead of stopping, `meta.message` is what the user
reads, and `meta.details` names a column whose text says more of a failing row.
"""
