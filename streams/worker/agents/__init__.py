"""The Faust agents: each reads one topic in folds, calls its engine, and nothing else."""

from streams.worker.agents import alert, archive, detect

__all__ = ["alert", "archive", "detect"]
