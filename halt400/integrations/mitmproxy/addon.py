"""The addon: asks the guard before a request goes on, and publishes the responses of servers."""

import asyncio
import binascii
import logging
import threading
from base64 import b64decode
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.http import HTTPFlow, Message, Request

from halt400.errors import BrokerUnavailable, Halt400Error, JobQuarantined, PreflightFailed
from halt400.guard import BodyCapture, GuardedRequest
from halt400.integrations.mitmproxy.answers import refusal
from halt400.integrations.mitmproxy.bodies import decoded, seen_by
from halt400.integrations.mitmproxy.jobs import Jobs
from halt400.integrations.mitmproxy.settings import OPTIONS, Halt400Options

__all__ = ["Halt400ProxyAddon"]

log = logging.getLogger(__name__)

LONGEST_START_S = 10.0
_VERSIONS = {"HTTP/2.0": "2", "HTTP/3.0": "3"}
_BODILESS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS"})
_REFUSED = (JobQuarantined, PreflightFailed, BrokerUnavailable)


class _FlowSending:
    """One request that went on, and what was seen of it."""

    def __init__(self, guarded: GuardedRequest, body: BodyCapture | None) -> None:
        self.guarded, self.body = guarded, body
        self.response_body: BodyCapture | None = None
        self.is_received = False


class Halt400ProxyAddon:
    """One for a proxy. Publisher and gate have threads of their own, so that the proxy waits for neither."""

    def __init__(self) -> None:
        self._options: Halt400Options | None = None
        self._jobs: Jobs | None = None
        self._starting: asyncio.Future[None] | None = None
        self._is_running = False
        self._sending: WeakKeyDictionary[HTTPFlow, _FlowSending] = WeakKeyDictionary()
        self._users: WeakKeyDictionary[Client, str] = WeakKeyDictionary()

    def load(self, loader: Loader) -> None:
        """Add the options, ``halt400_...``."""
        for name, kind, default, text in OPTIONS:
            loader.add_option(f"halt400_{name}", kind, default, text)
        # mitmproxy ends at its start over an error that is logged; Kafka's client logs one where the broker is away.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def configure(self, updated: Iterable[str]) -> None:
        """Take changed options; raises ``OptionsError``, but at the start, which an error that is logged ends."""
        if not any(name.startswith("halt400_") for name in updated):
            return
        try:
            options = Halt400Options.read(ctx.options)
        except ValueError as error:
            if self._is_running:
                raise exceptions.OptionsError(str(error)) from error
            log.error("%s", error)
            return
        if options != self._options:
            self._options = options
            if self._is_running:
                self._restart()

    def running(self) -> None:
        """Connect in a thread; the proxy listens already, and its first requests wait for what is quarantined."""
        self._is_running = True
        self._restart()

    def done(self) -> None:
        """Send what is there, in a thread that the process waits for at its end."""
        self._is_running = False
        self._close()

    def http_connect(self, flow: HTTPFlow) -> None:
        """Take the user of a client's proxy URL, who names the job."""
        self._take_user(flow)

    async def requestheaders(self, flow: HTTPFlow) -> None:
        """Ask for a request whose body streams, or may: it is on its way before `request` is called."""
        self._take_user(flow)
        request = flow.request
        if flow.response is not None or not (request.stream or _may_stream(request)):
            return
        body = BodyCapture() if request.stream else None
        if not await self._admit(flow, body):
            # An answer of the proxy's own does not go together with a body that streams.
            flow.response = None
            flow.kill()
        elif body is not None:
            request.stream = seen_by(body, request.stream)

    async def request(self, flow: HTTPFlow) -> None:
        """Ask for a request that is there as a whole."""
        if flow not in self._sending and flow.response is None and flow.error is None:
            await self._admit(flow, None)

    def responseheaders(self, flow: HTTPFlow) -> None:
        """Take in the status, and publish at once; a 400 when its body, which is evidence, has passed."""
        sending, response = self._sending.get(flow), flow.response
        if sending is None or response is None or flow.is_replay == "response":
            return
        sending.is_received = True
        if not sending.guarded.received(response.status_code):
            self._publish(flow, None)
        elif response.stream:
            sending.response_body = BodyCapture()
            response.stream = seen_by(sending.response_body, response.stream)

    def response(self, flow: HTTPFlow) -> None:
        """Publish a 400 whose body is there as a whole, or has passed."""
        self._publish(flow, flow.response)

    def error(self, flow: HTTPFlow) -> None:
        """Publish a 400 that broke off, and forget a request without a response."""
        self._publish(flow, None)

    async def _admit(self, flow: HTTPFlow, body: BodyCapture | None) -> bool:
        """Let a request go on, or answer it; return whether it goes on."""
        jobs, request = await self._ready(), flow.request
        try:
            if jobs is None:
                if self._options is not None and not self._options.fail_open and self._is_running:
                    raise BrokerUnavailable("Halt400 is not connected to Kafka yet.", "Try again.")
                return True
            guarded = jobs.guard(self._job_of(flow)).admit(
                request.method,
                request.pretty_url,
                headers=lambda: _texts(request),
                body=request.raw_content if body is None else body,
            )
        except _REFUSED as error:
            assert self._options is not None
            flow.response = refusal(error, request.method, self._options.refusal_status)
            log.info("Not sent: %s %s: %s", request.method, request.pretty_url, error)
            return False
        except Halt400Error as error:
            log.warning("Not watched: %s", error)
            return True
        self._sending[flow] = _FlowSending(guarded, body)
        return True

    def _publish(self, flow: HTTPFlow, whole: Message | None) -> None:
        sending = self._sending.pop(flow, None)
        response = flow.response
        if sending is None or response is None or not sending.is_received:
            return
        body: bytes | BodyCapture | None = sending.response_body
        if body is None and whole is not None:
            body = whole.raw_content
        via = flow.server_conn.via
        sending.guarded.publish(
            http_version=_VERSIONS.get(flow.request.http_version) or flow.request.http_version.removeprefix("HTTP/"),
            request_body=sending.body if sending.body is not None else flow.request.raw_content,
            response_headers=lambda: _texts(response),
            response_body=decoded(response, body) if body is not None else None,
            response_size=_announced_size(response) if body is None else None,
            proxy_id=f"{via[1][0]}:{via[1][1]}" if via else None,
        )

    def _restart(self) -> None:
        """Connect anew, with the options as they are."""
        self._close()
        options = self._options
        if options is None:
            return

        def start() -> None:
            try:
                jobs = Jobs(options)
            except Halt400Error as error:
                # What goes through the proxy is worth more than being watched.
                log.error("Halt400 is off: %s", error)
                return
            if self._options is options and self._is_running:
                self._jobs = jobs
                log.info("Responses of job %s go to Kafka.", options.job_id)
            else:
                jobs.close()

        self._starting = asyncio.get_running_loop().run_in_executor(None, start)

    def _close(self) -> None:
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            threading.Thread(target=jobs.close, name="halt400-close").start()

    async def _ready(self) -> Jobs | None:
        if self._jobs is None and self._starting is not None and not self._starting.done():
            await asyncio.wait({self._starting}, timeout=LONGEST_START_S)
        return self._jobs

    def _take_user(self, flow: HTTPFlow) -> None:
        """Remember the user of a client's proxy credentials, and keep them from the target."""
        if self._options is None or not self._options.job_from_proxy_user:
            return
        scheme, _, encoded = flow.request.headers.pop("proxy-authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user = b64decode(encoded, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return
            self._users[flow.client_conn] = user

    def _job_of(self, flow: HTTPFlow) -> str | None:
        checked: Any = flow.metadata.get("proxyauth")  # by mitmproxy's own option
        if self._options is None or not self._options.job_from_proxy_user:
            return None
        return checked[0] if checked else self._users.get(flow.client_conn)


def _texts(message: Message) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.headers.fields]


def _may_stream(request: Request) -> bool:
    """Whether mitmproxy starts to stream the body when it has become large."""
    if not ctx.options.stream_large_bodies or "content-length" in request.headers:
        return False
    return "transfer-encoding" in request.headers or not (request.is_http11 or request.method in _BODILESS)


def _announced_size(response: Message) -> int | None:
    size = response.headers.get("content-length", "")
    return int(size) if size.isdecimal() and len(size) < 19 else None
