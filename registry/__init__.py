"""Versions of models, the bundles that hold them, who is champion and how that came to be.

`workspace` says where things lie, `bundles` keeps the folders, `pointer` names the champion to the
service (it imports no MLflow), `ledger` remembers every move, `versions` speaks to MLflow's registry, and
`champion` joins them: one atomic move.
"""
