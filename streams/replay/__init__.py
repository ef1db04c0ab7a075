"""Replay of recorded exchanges (`halt400.exchanges`) as response events: through Kafka, or as a dry run without it."""

from streams.replay.dry_run import DryRun, DryRunQuarantine
from streams.replay.policy_estimate import PolicyEstimate, live_policies
from streams.replay.publishing import PublishSummary, publish_replay
from streams.replay.reading import Recording, read_events
from streams.replay.retiming import Timeline
from streams.replay.tally import Tally

__all__ = [
    "DryRun",
    "DryRunQuarantine",
    "PolicyEstimate",
    "PublishSummary",
    "Recording",
    "Tally",
    "Timeline",
    "live_policies",
    "publish_replay",
    "read_events",
]
