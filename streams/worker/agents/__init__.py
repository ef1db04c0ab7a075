"""The Faust agents: each reads one topic in folds and gives them to what processes them, and does nothing else."""

from streams.worker.agents import alert, archive, detect

__all__ = ["alert", "archive", "detect"]
