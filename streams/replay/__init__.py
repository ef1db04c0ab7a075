"""Recorded exchanges, read as response events: JSON lines, HAR files and access logs; for replays and dry runs.

Readers are streaming (all but HAR) and take files as they are: a line that cannot be read is reported with its place,
and the next one is read.
"""

from streams.replay.dry_run import DryRun, DryRunQuarantine, SavedEstimate, under_policy
from streams.replay.publishing import Published, publish_replay
from streams.replay.reading import Recording, read_events
from streams.replay.retiming import Timeline
from streams.replay.tally import Tally

__all__ = [
    "DryRun",
    "DryRunQuarantine",
    "Published",
    "Recording",
    "SavedEstimate",
    "Tally",
    "Timeline",
    "publish_replay",
    "read_events",
    "under_policy",
]
