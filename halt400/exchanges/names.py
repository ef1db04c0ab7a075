"""Names of jobs, targets and events that fit their record. Pure."""

from hashlib import blake2b

__all__ = ["LONGEST_NAME", "shortened"]

LONGEST_NAME = 255


def shortened(name: str) -> str:
    """Fit a name into 255 characters; a digest of the whole replaces the end of a longer one.

    Examples
    --------
    >>> shortened("extract-099")
    'extract-099'
    """
    if len(name) <= LONGEST_NAME:
        return name
    digest = blake2b(name.encode(errors="replace"), digest_size=8).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}~{digest}"
