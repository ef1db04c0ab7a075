"""Alerts: people are alerted of what happens on `control`, once per cause, until all of it is released.

Pure: `incident`, `incidents`, `routing`, `message`. At the edge: `delivery` and `sinks` (one port), `dispatcher` (rows
and deliveries), `dead_letters` (what no sink accepted), `config` (the section of ``halt400.toml``).
"""
