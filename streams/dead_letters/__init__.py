"""The records that the worker refused: how they are read from `responses.dlq`, and published again."""

from streams.dead_letters.reading import ReadLetters, read_letters
from streams.dead_letters.redrive import Redriven, redrive, refusal_now
from streams.dead_letters.refused_record import RefusedRecord

__all__ = ["ReadLetters", "Redriven", "RefusedRecord", "read_letters", "redrive", "refusal_now"]
