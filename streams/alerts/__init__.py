"""Alerts: people are notified of quarantines and findings, once per cause, and when all of it is over.

Records become incidents (`incidents`, by the rules in `joining`), each a row of the topic `alerts` (`alerts_topic`).
`routing` plans what each sink is sent and when, `compose` makes the notification. At the edge: `dispatcher` and
`deliveries`, the `sinks` behind one interface (`delivery`), `dead_letters`, and `config` for ``halt400.toml``.
"""
