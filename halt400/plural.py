"""A number with what it counts. Pure."""

__all__ = ["plural"]


def plural(number: int, noun: str) -> str:
    """Say how many there are.

    Examples
    --------
    >>> plural(1, "job"), plural(1_200, "request")
    ('1 job', '1,200 requests')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
