"""One request that a client of Crawlee sends, with the redirects that the client follows inside."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from halt400.guard import BodyCapture, GuardedRequest

__all__ = ["CrawleeSending", "watch"]

Fields = list[tuple[str, str]]

_sending: ContextVar["CrawleeSending | None"] = ContextVar("halt400_crawlee_sending", default=None)
_WATCHED = "_halt400_watched"


class CrawleeSending:
    """What the guard has admitted; each response is told to it once, a 400's body when it is there.

    Parameters
    ----------
    target_of
        Names the target of a URL.
    """

    def __init__(self, guarded: GuardedRequest, target_of: Callable[[str], str], proxy_id: str | None) -> None:
        self._guarded, self._target_of, self._proxy_id = guarded, target_of, proxy_id
        self._bad: tuple[GuardedRequest, dict[str, Any]] | None = None
        self.is_answered = False

    def __enter__(self) -> "CrawleeSending":
        _sending.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        # Where the client has failed to read it, a 400 has no body.
        self.publish_bad(None)
        _sending.set(None)

    def responded(
        self,
        status: int,
        *,
        url: str,
        version: str,
        received: Any,
        method: str | None = None,
        sent: Any = None,
    ) -> None:
        """Take in a response: the last one, or one that redirects."""
        self.is_answered = True
        guarded = self._guarded
        guarded.url, guarded.target = url, self._target_of(url)
        known: dict[str, Any] = {
            "http_version": version.upper().removeprefix("HTTP/").removesuffix(".0"),
            "response_headers": lambda: _fields(received),
            "proxy_id": self._proxy_id,
        }
        if method is not None:
            guarded.method = method
        if sent is not None:
            known["request_headers"] = lambda: _fields(sent)
        if guarded.received(status):
            self._bad = guarded, known
            return
        guarded.publish(**known)
        # A redirect's request may follow, and is timed from here.
        guard, headers, body = guarded.guard, guarded._headers, guarded._body if method_keeps_body(status) else None
        self._guarded = GuardedRequest(guard, guarded.method, url, guarded.target, headers, body, guarded.attempt)

    @property
    def is_bad(self) -> bool:
        """Whether a 400 waits for its body."""
        return self._bad is not None

    def publish_bad(self, body: bytes | BodyCapture | None) -> None:
        """Publish the 400 with what is there of its body."""
        bad, self._bad = self._bad, None
        if bad is not None:
            guarded, known = bad
            guarded.publish(**known, response_body=body)


def method_keeps_body(status: int) -> bool:
    """Whether a redirect of this status sends the body again."""
    return status in (307, 308)


def watch(client: Any) -> None:
    """Let a client of Crawlee tell of each response: httpx's by an event hook, others where they send.

    Clients of other kinds are left alone; of those only the last response is known.
    """
    make = getattr(client, "_get_client", None)
    if make is None or hasattr(client, _WATCHED):
        return

    def seen(*rest: Any, **more: Any) -> Any:
        made = make(*rest, **more)
        if not hasattr(made, "event_hooks"):
            return _SeenClient(made)
        hooks = made.event_hooks
        if _tell not in hooks["response"]:
            hooks["response"].insert(0, _tell)
            made.event_hooks = hooks
        return made

    client._get_client = seen
    setattr(client, _WATCHED, True)


async def _tell(response: Any) -> None:
    """Tell of a response of httpx's, whose body was not read so far."""
    sending = _sending.get()
    if sending is not None:
        request = response.request
        sending.responded(
            response.status_code,
            url=str(request.url),
            method=request.method,
            version=response.http_version,
            sent=request.headers,
            received=response.headers,
        )


class _SeenClient:
    """A client that sends one request after the other, as impit's does where redirects are followed by Crawlee."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def request(self, **named: Any) -> Any:
        response = await self._client.request(**named)
        sending = _sending.get()
        if sending is not None:
            sending.responded(
                response.status_code,
                url=str(response.url),
                method=str(named["method"]),
                version=str(response.http_version),
                sent=named.get("headers") or {},
                received=response.headers,
            )
        return response


def _fields(headers: Any) -> Fields:
    """Return names and values of the clients' kinds of headers."""
    raw: Iterable[tuple[Any, Any]] = getattr(headers, "raw", None) or headers.items()
    return [(_text(name), _text(value)) for name, value in raw]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
