"""Real servers on the loopback that hold a sink to its vendor's documented contract, and answer as a test sets them.

A server notes what breaks the contract in `violations`, and keeps the state that the vendor would: PagerDuty's open
alerts by dedup key, Alertmanager's by label set. Sources are named at each check.
"""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from streams.alerts.notification import decode_notification
from streams.alerts.signing import verify

ROUTING_KEY = "0123456789abcdef0123456789ABCDEF"
SIGNING_SECRET = "a-signing-secret-of-32-characters"
BEARER = "alertmanager-bearer-token"
SLACK_PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
HANG = "hang"
SILENT = "silent"
CERTIFICATE = Path(__file__).with_name("localhost.pem")

Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body; or `HANG`, or `SILENT`: it accepts, and its answer never arrives."""


class Receiver:
    """What all servers share: a script of answers, what came, and what was wrong with it."""

    def __init__(self) -> None:
        self.script: list[Answer | str] = []
        self.always: Answer | str | None = None
        self.received: list[Any] = []
        self.violations: list[str] = []
        self.url = ""
        self.released = asyncio.Event()

    def need(self, holds: bool, rule: str) -> None:
        if not holds:
            self.violations.append(rule)

    def next_answer(self) -> Answer | str | None:
        return self.script.pop(0) if self.script else self.always


class HttpReceiver(Receiver):
    """A server for one path."""

    path = "/"
    accepted: Answer = (200, {}, b"")

    def check(self, request: web.Request, body: bytes) -> Any:
        """Hold the request to the contract; returns what is kept of it."""
        raise NotImplementedError

    def keep(self, found: Any) -> None:
        """Do what the vendor does with a request that it accepts."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = self.next_answer()
        found = self.check(request, body)
        self.received.append(found)
        if answer in (HANG, SILENT):
            if answer == SILENT:
                self.keep(found)
            await self.released.wait()
            return web.Response(status=503)
        assert not isinstance(answer, str)
        if answer is None:
            answer = self.accepted
            self.keep(found)
        return web.Response(status=answer[0], headers=answer[1], body=answer[2])

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["HttpReceiver"]:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}{self.path}"
        try:
            yield self
        finally:
            self.released.set()
            await runner.cleanup()

    def json_of(self, request: web.Request, body: bytes) -> Any:
        self.need(request.method == "POST", "the method is POST")
        self.need(request.path == self.path, f"the path is {self.path}, not {request.path}")
        self.need(request.content_type == "application/json", "the body is application/json")
        return json.loads(body)


class PagerDuty(HttpReceiver):
    """https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and .../overview/ (sizes, answers)."""

    path = "/v2/enqueue"
    accepted = (202, {}, b'{"status": "success", "message": "Event processed"}')

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, str] = {}
        self.incidents: list[str] = []
        self.acknowledged: set[str] = set()

    def check(self, request: web.Request, body: bytes) -> Any:
        event = self.json_of(request, body)
        self.need(len(body) <= 512 * 1024, "an event has at most 512 KB")
        known = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
        self.need(set(event) <= known, f"unknown fields {set(event) - known}")
        self.need(event.get("routing_key") == ROUTING_KEY, "routing_key is required, 32 characters")
        self.need(event.get("event_action") in ("trigger", "acknowledge", "resolve"), "event_action is one of three")
        self.need(0 < len(event.get("dedup_key", "")) <= 255, "a dedup_key has at most 255 characters")
        if event.get("event_action") == "trigger":
            payload = event.get("payload", {})
            optional = {"timestamp", "component", "group", "class", "custom_details"}
            self.need({"summary", "source", "severity"} <= set(payload), "summary, source and severity are required")
            self.need(set(payload) <= {"summary", "source", "severity"} | optional, f"unknown in payload: {payload}")
            self.need(0 < len(payload.get("summary", "")) <= 1024, "a summary has at most 1024 characters")
            self.need(bool(payload.get("source")), "source is not empty")
            self.need(payload.get("severity") in ("critical", "error", "warning", "info"), "severity is one of four")
            self.need(isinstance(payload.get("custom_details", {}), dict), "custom_details is an object")
            self.need(datetime.fromisoformat(payload["timestamp"]).tzinfo is not None, "timestamp is ISO 8601")
            self.need(all(link.get("href") for link in event.get("links", ())), "a link has an href")
        return event

    def keep(self, found: Any) -> None:
        key = found["dedup_key"]
        if found["event_action"] == "trigger":
            if key not in self.open:
                self.incidents.append(key)
            self.open[key] = found["payload"]["severity"]
        elif found["event_action"] == "acknowledge":
            self.acknowledged |= {key} & self.open.keys()
        else:
            self.open.pop(key, None)


class Slack(HttpReceiver):
    """https://docs.slack.dev/reference/block-kit/blocks and .../messaging/formatting-message-text (escaping)."""

    path = SLACK_PATH
    accepted = (200, {"Content-Type": "text/html"}, b"ok")

    def check(self, request: web.Request, body: bytes) -> Any:
        message = self.json_of(request, body)
        self.need(set(message) <= {"text", "blocks", "attachments", "thread_ts", "mrkdwn"}, "unknown fields")
        self.need(0 < len(message.get("text", "")) <= 40_000, "text is the fallback, at most 40,000 characters")
        self.mrkdwn(message.get("text", ""))
        blocks = message.get("blocks", [])
        self.need(0 < len(blocks) <= 50, "a message has at most 50 blocks")
        for block in blocks:
            match block["type"]:
                case "header":
                    self.need(block["text"]["type"] == "plain_text", "a header is plain text")
                    self.need(0 < len(block["text"]["text"]) <= 150, "a header has at most 150 characters")
                case "section":
                    self.need(0 < len(block["text"]["text"]) <= 3000, "a section has at most 3000 characters")
                    self.text(block["text"])
                case "context":
                    self.need(0 < len(block["elements"]) <= 10, "a context has at most 10 elements")
                    for element in block["elements"]:
                        self.text(element)
                case other:
                    self.need(False, f"block type {other}")
        return message

    def text(self, element: dict[str, Any]) -> None:
        self.need(element["type"] in ("mrkdwn", "plain_text"), "a text object has a type")
        if element["type"] == "mrkdwn":
            self.mrkdwn(element["text"])

    def mrkdwn(self, text: str) -> None:
        self.need("<" not in text and ">" not in text, "angle brackets are escaped")
        self.need(re.search(r"&(?!amp;|lt;|gt;)", text) is None, "ampersands are escaped")


class Alertmanager(HttpReceiver):
    """https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml: postableAlerts."""

    path = "/api/v2/alerts"

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, tuple[datetime, datetime]] = {}

    def check(self, request: web.Request, body: bytes) -> Any:
        alerts = self.json_of(request, body)
        self.need(request.headers.get("Authorization") == f"Bearer {BEARER}", "the token is shown")
        self.need(isinstance(alerts, list) and len(alerts) > 0, "the body is an array of alerts")
        for alert in alerts:
            known = {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
            self.need(set(alert) <= known, f"unknown fields {set(alert) - known}")
            self.need(bool(alert.get("labels", {}).get("alertname")), "alertname is required")
            for name, value in {**alert["labels"], **alert.get("annotations", {})}.items():
                self.need(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) is not None, f"label name {name}")
                self.need(isinstance(value, str), f"{name} is a string")
            self.need(all(alert["labels"].values()), "a label is not empty")
            starts, ends = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
            self.need(alert["startsAt"].endswith("Z") and alert["endsAt"].endswith("Z"), "times are RFC 3339")
            self.need(starts < ends, "an alert starts before it ends")
        return alerts

    def keep(self, found: Any) -> None:
        for alert in found:
            labels = json.dumps(alert["labels"], sort_keys=True)
            self.alerts[labels] = (
                datetime.fromisoformat(alert["startsAt"]),
                datetime.fromisoformat(alert["endsAt"]),
            )

    def firing(self, at: datetime) -> list[dict[str, str]]:
        return [json.loads(labels) for labels, (_, ends) in self.alerts.items() if ends > at]


class Webhook(HttpReceiver):
    """docs/alerts.md, "Your own webhook": what a receiver checks."""

    path = "/hooks/halt400"
    accepted = (204, {}, b"")

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.ids: list[str] = []

    def check(self, request: web.Request, body: bytes) -> Any:
        self.json_of(request, body)
        timestamp, signature = (request.headers.get(f"Halt400-{name}", "") for name in ("Timestamp", "Signature"))
        self.need(verify(SIGNING_SECRET, timestamp, signature, body, self.clock()), "the signature holds")
        found = decode_notification(body)
        self.need(request.headers.get("Halt400-Id") == found.id, "the id is that of the body")
        self.ids.append(found.id)
        return found


class Smtp(Receiver):
    """RFC 5321: one mail per session, in the order of commands that the RFC lays down.

    With `tls`, RFC 3207 (``starttls``) or RFC 8314 (``implicit``); with `login`, RFC 4954: nothing is taken without.
    """

    def __init__(self, tls: Literal["none", "starttls", "implicit"] = "none", login: bytes | None = None) -> None:
        super().__init__()
        self.port = 0
        self.tls, self.login = tls, login
        self.context: ssl.SSLContext | None = None
        if tls != "none":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(CERTIFICATE)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Smtp"]:
        self._sessions: set[asyncio.Task[Any]] = set()
        implicit = self.context if self.tls == "implicit" else None
        server = await asyncio.start_server(self.session, "127.0.0.1", 0, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.released.set()
            server.close()
            await asyncio.gather(*self._sessions, return_exceptions=True)

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        try:
            await self.converse(reader, writer)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        answer, envelope = self.next_answer(), {"from": "", "to": []}
        if answer == HANG:
            self.received.append(None)
            await self.released.wait()
            return
        await say("220 loopback ESMTP")
        encrypted, known = self.tls == "implicit", self.login is None
        while line := (await reader.readline()).decode():
            verb, _, rest = line.strip().partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    await say("250-loopback")
                    if self.tls == "starttls" and not encrypted:
                        await say("250-STARTTLS")
                    if self.login is not None and encrypted:
                        await say("250-AUTH PLAIN")
                    await say("250 8BITMIME")
                case "STARTTLS":
                    assert self.context is not None
                    await say("220 go ahead")
                    await writer.start_tls(self.context)
                    encrypted = True
                case "AUTH":
                    self.need(encrypted, "a password is never shown in the clear")
                    known = base64.b64decode(rest.removeprefix("PLAIN ")) == self.login
                    await say("235 welcome" if known else "535 who are you")
                case "MAIL" if not known:
                    await say("530 log in first")
                case "MAIL":
                    envelope["from"] = rest
                    await say("250 OK")
                case "RCPT":
                    self.need(bool(envelope["from"]), "MAIL comes before RCPT")
                    envelope["to"].append(rest)
                    await say("250 OK")
                case "DATA":
                    self.need(bool(envelope["to"]), "RCPT comes before DATA")
                    await say("354 go on")
                    data = b""
                    while (part := await reader.readline()) not in (b".\r\n", b""):
                        self.need(len(part) <= 1000, "a line has at most 1000 octets (section 4.5.3.1.6)")
                        data += part[1:] if part.startswith(b".") else part
                    self.received.append(self.mail(data))
                    assert answer is None or not isinstance(answer, str)
                    await say("250 queued" if answer is None else f"{answer[0]} {answer[2].decode()}")
                case "RSET":
                    await say("250 OK")
                case "QUIT":
                    await say("221 bye")
                    return
                case _:
                    await say("502 not implemented")

    def mail(self, data: bytes) -> EmailMessage:
        mail = message_from_bytes(data, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        for header in ("From", "To", "Subject", "Date", "Message-ID"):
            self.need(len(mail.get_all(header, [])) == 1, f"{header} is there once (RFC 5322 section 3.6)")
        self.need(re.fullmatch(r"<[^<>\s@]+@[^<>\s@]+>", mail["Message-ID"]) is not None, "Message-ID is one")
        return mail
