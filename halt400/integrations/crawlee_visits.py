"""A crawler's request while it is worked on: after a 400 it is not retried, and its session is not blamed."""

from contextvars import ContextVar
from typing import Any

from crawlee import Request
from crawlee.sessions import Session

__all__ = ["Visit", "begin_visit", "current_visit", "give_up_refused"]

_SPARED = "_halt400_spared"


class Visit:
    """One attempt of a request; tasks that its task starts share it."""

    def __init__(self, request: Request, session: Session | None) -> None:
        self.request, self.session = request, session
        self.is_blameless = False

    @property
    def attempt(self) -> int:
        """1 for the first sending of the request, 2, 3, ... for its retries."""
        return self.request.retry_count + (self.request.session_rotation_count or 0) + 1

    def give_up(self) -> None:
        """Let the request not be retried, whatever becomes of it, and its session go without blame."""
        self.request.no_retry = True
        self.is_blameless = True


_visit: ContextVar[Visit | None] = ContextVar("halt400_crawlee_visit", default=None)


def begin_visit(request: Request, session: Session | None) -> Visit:
    """Begin the visit of this task."""
    visit = Visit(request, session)
    _visit.set(visit)
    if session is not None and not hasattr(session, _SPARED):
        _spare(session)
    return visit


def current_visit() -> Visit | None:
    """Return the visit of this task, or None outside of one."""
    return _visit.get()


def give_up_refused(crawler: Any, refusals: tuple[type[Exception], ...]) -> None:
    """Let a request whose handler was refused something not be retried."""
    should_retry = getattr(crawler, "_should_retry_request", None)
    if should_retry is None:
        return

    def unless_refused(context: Any, error: Exception) -> bool:
        visit = _visit.get()
        if visit is not None and isinstance(error, refusals):
            visit.give_up()
        return bool(should_retry(context, error))

    crawler._should_retry_request = unless_refused


def _spare(session: Any) -> None:
    """Let a session take no blame from visits that deserve none."""
    mark_bad = session.mark_bad

    def spared() -> None:
        visit = _visit.get()
        if visit is None or not visit.is_blameless or visit.session is not session:
            mark_bad()

    session.mark_bad = spared
    setattr(session, _SPARED, True)
