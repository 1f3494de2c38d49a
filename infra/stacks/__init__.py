"""ZenML stacks as files, and what registers them.

`*.yaml` (a stack a file, as `zenml stack export` writes it), `settings/` (what a run on such a stack is told,
for a file of configs/), `stack_file.py` (a file, read), `flavors.py` (what ZenML says of a component),
`register.py` (`python -m infra.stacks.register FILE`).
"""
