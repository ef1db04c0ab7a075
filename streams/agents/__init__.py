"""The Faust agents: each reads one topic in folds, calls its engine, and nothing else."""

from streams.agents import detect

__all__ = ["detect"]
