"""Thin ZenML steps, one a file; the file, its function and its key in the YAML have one name.

A step reads its inputs, calls one function of the domain, records what came out. `tracking` is the only
file that speaks to MLflow's tracking; `materializers` keeps Sightline's types as artifacts.
"""
