"""Versions of models, the bundles that hold them, who is champion and how that came to be.

`workspace` says where things lie, `bundles` keeps the folders, `pointer` names the champion to the
service (these three import no MLflow). `versions` speaks to MLflow's registry in the words of
`model_version`; `ledger` remembers every move and `reigns` reads it; `ledger_check` finds what a hand did
to it, by `ledger_head` also at its end, `new_ledger` begins another; `champion` makes the one atomic move,
`following` makes alias and pointer follow it. `traffic` divides requests between a champion and a challenger,
`predictions` reads what a service has logged in `prediction_files`; `reviews` keeps what people say of images
that it kept, `review_queue` says which wait for them. `monitoring` remembers looks and retrainings.
"""
