"""The counts of one target over time, as columns for a chart."""

from halt400.rates import kept_from_ms
from halt400.records import Ratio
from halt400.windows import FINE_S, Row, bucket_counts
from streams.api.models import Answer, Count

__all__ = ["SPANS_S", "STEPS_S", "Series", "series_of"]

SPANS_S = {"15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400}
STEPS_S = {"5s": 5, "1m": 60, "5m": 300, "15m": 900, "1h": 3600}
_DEFAULT_STEPS_S = {900: 5, 3600: 60, 21_600: 300, 86_400: 900}


class Series(Answer, kw_only=True):
    """The counts of one target in steps of equal length, oldest first; all lists are equally long.

    `start` is the beginning of each step. A step without responses has no ratio, which is not a ratio of 0. Counts are
    kept from `kept_from` on, milliseconds; null where nothing has expired.
    """

    target: str
    step_s: int
    start: list[int]
    responses: list[Count]
    bad_requests: list[Count]
    bad_request_ratio: list[Ratio | None]
    classes: dict[str, list[Count]]
    kept_from: int | None


def series_of(
    target: str, row: Row, *, span_s: int, step_s: int | None, end_ms: int, as_of: int, stale: bool
) -> Series:
    """Count at least the `span_s` seconds up to `end_ms`, in whole steps.

    A step is at least a minute where it begins more than 20 minutes before the latest response, since that is how long
    counts are kept in steps of 5 s.
    """
    step = step_s if step_s is not None else _DEFAULT_STEPS_S[span_s]
    if step < 60 and end_ms - span_s * 1000 < row.fine_from * FINE_S * 1000:
        step = 60
    step_ms = step * 1000
    first, end = (end_ms - span_s * 1000) // step_ms, -(-end_ms // step_ms)
    start = [place * step_ms for place in range(first, end)]
    found = bucket_counts(row, start[0], step, len(start))
    responses, bad_requests = found["responses"], found["400"]
    return Series(
        target=target,
        as_of=as_of,
        stale=stale,
        step_s=step,
        start=start,
        responses=responses,
        bad_requests=bad_requests,
        bad_request_ratio=[bad / all_ if all_ else None for bad, all_ in zip(bad_requests, responses, strict=True)],
        classes={name: counts for name, counts in found.items() if name != "responses"},
        kept_from=kept_from_ms(row) or None,
    )
