"""What an event that is no 400 carries: of most only method, URL and sizes, of some the header names as well."""

import msgspec

from halt400.records import Request, Response, ResponseEvent

__all__ = ["HeaderSampler"]

_VALUES_KEPT = frozenset({"accept", "content-encoding", "content-type"})


class HeaderSampler:
    """Slims the events of responses that are no 400; a 400 stays complete.

    The first `first` successes (2xx) of each target and method, and one in `then_every` after that, keep the names of
    their request headers in order, with the values of ``accept``, ``content-encoding`` and ``content-type`` only.
    That is enough to learn what a good request to the target looks like, and contains no cookie or token. All others
    keep method and URL.

    Parameters
    ----------
    first
        Successes per target and method that keep their header names before sampling starts.
    then_every
        One in this many keeps them afterwards.
    max_routes
        Most pairs of target and method that are counted; when there are more, all counts restart.
    """

    def __init__(self, *, first: int = 20, then_every: int = 100, max_routes: int = 10_000) -> None:
        self._first = first
        self._then_every = then_every
        self._max_routes = max_routes
        self._seen: dict[tuple[str, str], int] = {}

    def slim(self, event: ResponseEvent) -> ResponseEvent:
        """Return what is published of `event`, which is not changed."""
        request, response = event.request, event.response
        status = response.status
        if status == 400:
            return event
        takes = 200 <= status < 300 and self._takes(event)
        bare = not (request.headers or response.headers or request.body_sha256)
        if bare and _has_no_body(request) and _has_no_body(response):
            return event
        headers = [
            (name, value if name.lower() in _VALUES_KEPT else "") for name, value in (request.headers if takes else ())
        ]
        return msgspec.structs.replace(
            event,
            request=msgspec.structs.replace(
                request, headers=headers, body=None, body_base64=None, body_sha256=None, body_truncated=False
            ),
            response=msgspec.structs.replace(response, headers=[], body=None, body_base64=None, body_truncated=False),
        )

    def wants_headers(self, target: str, method: str, status: int) -> bool:
        """Whether the next response of this kind is published with headers; others need not be given any."""
        if not 200 <= status < 300:
            return status == 400
        return self._is_sampled(self._seen.get((target, method), 0))

    def _is_sampled(self, seen: int) -> bool:
        return seen < self._first or (seen - self._first) % self._then_every == 0

    def count(self, target: str, method: str, status: int) -> None:
        """Count a response that is published without headers, as `wants_headers` said."""
        if 200 <= status < 300:
            self._count(target, method)

    def _takes(self, event: ResponseEvent) -> bool:
        return self._is_sampled(self._count(event.target, event.request.method))

    def _count(self, target: str, method: str) -> int:
        """Count a success; return how many were counted before."""
        route = (target, method)
        seen = self._seen.get(route, 0)
        if seen == 0 and len(self._seen) >= self._max_routes:
            self._seen.clear()
        self._seen[route] = seen + 1
        return seen


def _has_no_body(message: Request | Response) -> bool:
    return message.body is None and message.body_base64 is None and not message.body_truncated
