"""One POST to a sink, and the result that its answer stands for."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import httpx

from streams.alerts.delivery import AttemptResult, retry_after_s
from streams.alerts.text import shorten

__all__ = ["HttpPoster"]

LONGEST_ANSWER_BYTES = 4096
LONGEST_DETAIL = 300
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol)
"""Errors that arise before the request has left this process."""


class HttpPoster:
    """Posts to one address.

    2xx is accepted; 429, 408 and 5xx are unavailable, with their Retry-After; every other status is refused, also a
    redirect: a person must correct an address that has moved.

    Parameters
    ----------
    timeout_s
        For the whole exchange, from connecting to the end of the answer.
    secrets
        Never shown in a detail, even where the answer repeats them.
    """

    def __init__(self, url: str, *, timeout_s: float, secrets: Collection[str] = ()) -> None:
        _silence_request_logs()
        self._url, self._timeout_s = url, timeout_s
        self._secrets = sorted({secret for secret in (url, *secrets) if secret}, key=len, reverse=True)
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False)

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> AttemptResult:
        """Post JSON."""
        sent = {"Content-Type": "application/json", "User-Agent": "halt400", **(headers or {})}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=body, headers=sent) as response,
            ):
                answer = b""
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) >= LONGEST_ANSWER_BYTES:
                        break
        except TimeoutError:
            return AttemptResult("unavailable", f"no answer within {self._timeout_s:g} s", uncertain=True)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            never_sent = isinstance(error, NEVER_SENT)
            detail = self._detail(f"{type(error).__name__} {error}")
            return AttemptResult("unavailable", detail, uncertain=not never_sent)
        return self._result(response, answer)

    def _result(self, response: httpx.Response, answer: bytes) -> AttemptResult:
        status = response.status_code
        detail = self._detail(f"{status} {answer.decode(errors='replace')}")
        if response.is_success:
            return AttemptResult("accepted", str(status))
        if status in (408, 429) or status >= 500:
            pause_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
            return AttemptResult("unavailable", detail, pause_s, throttled=status == 429)
        return AttemptResult("refused", detail)

    def _detail(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        printable = "".join(character if character.isprintable() else " " for character in text)
        return shorten(" ".join(printable.split()), LONGEST_DETAIL)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _silence_request_logs() -> None:
    """Raise the level of httpx's loggers: they log every address, and a webhook's address is its password."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
