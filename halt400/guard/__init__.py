"""The guard of a job's requests: what every integration is built on, and how to write one.

An adapter translates one HTTP client's requests and responses, and leaves the rest to a `RequestGuard`:

1. Before a request is sent: ``sending = guard.admit(method, url, headers=..., body=..., attempt=...)``. It raises
   `JobQuarantined` where the request must not be sent; raise what the client's users expect in its place.
2. When the status is there: ``sending.received(status)``. It says whether this is a 400, whose body is evidence.
3. Then ``sending.publish(...)``, once: at once, or for a 400 when its body has been read or was closed. A body that
   streams is kept by a `BodyCapture` while it passes. A finalizer, for a 400 that nobody read or closed, publishes with
   ``from_finalizer=True``.
4. A request that got no response needs nothing.
5. The same request is never sent again after a 400: ``admit(..., answered_400=True)`` refuses it, so the adapter marks
   requests that were answered 400.
6. An adapter that publishes later than it knows the status, to learn more of a response, is told when the guard ends:
   ``guard.before_it_ends(adapter)`` calls its ``publish_what_is_known()`` then.

None of it blocks, and after `admit` none of it raises. One guard serves any number of requests at once, from any
number of threads where its publisher and gate do (`SyncGuard`).
"""

from halt400.guard.body_capture import BodyCapture
from halt400.guard.guarded_request import GuardedRequest
from halt400.guard.local_breaker import LocalBreaker, LocalHold
from halt400.guard.owners import Guard, SyncGuard
from halt400.guard.request_guard import GuardStats, RequestGuard

__all__ = [
    "BodyCapture",
    "Guard",
    "GuardStats",
    "GuardedRequest",
    "LocalBreaker",
    "LocalHold",
    "RequestGuard",
    "SyncGuard",
]
