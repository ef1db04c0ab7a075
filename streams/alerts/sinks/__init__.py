"""The sinks, one module each, all behind the interface `streams.alerts.delivery.Sink`."""

from streams.alerts.sinks.alertmanager import AlertmanagerSink
from streams.alerts.sinks.email import EmailSink
from streams.alerts.sinks.pagerduty import PagerDutySink
from streams.alerts.sinks.slack import SlackSink
from streams.alerts.sinks.stdout import StdoutSink
from streams.alerts.sinks.webhook import WebhookSink

__all__ = ["AlertmanagerSink", "EmailSink", "PagerDutySink", "SlackSink", "StdoutSink", "WebhookSink"]
