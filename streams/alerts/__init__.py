"""Alerts: what happens on `control` is told to people, once per cause, and is over when all is released.

Pure: `incident`, `incidents`, `routing`, `message`. At the edge: `delivery` and `sinks` (one port), `outbox` (what is
owed, durable on the topic `alerts`), `dead_letters` (what no sink took), `config` (the section of ``halt400.toml``).
"""
