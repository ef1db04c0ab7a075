"""What one check of an installation found. Pure."""

from typing import Literal, NamedTuple

__all__ = ["CheckResult", "CheckStatus"]

CheckStatus = Literal["ok", "warning", "failed", "skipped"]


class CheckResult(NamedTuple):
    """What one check found.

    Attributes
    ----------
    check
        What was looked at, such as ``topics``.
    detail
        What was found, with names and values.
    mend
        What the operator does next; empty where nothing is wrong.
    """

    check: str
    status: CheckStatus
    detail: str
    mend: str = ""
