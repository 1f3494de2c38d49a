"""What Prometheus and Grafana are told: rules and their tests, dashboards, and the figures of looks.

`rules/` (recording and alerts), `tests/` (promtool's, a file a file of alerts), `grafana/` (dashboards and
how they are found), `prometheus.yml` (for one machine), `looks.py` (what `sightline monitor` found).
"""
