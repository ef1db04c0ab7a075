"""Redact the records: requests, responses, events, offences and diagnoses, and the texts of logs and alerts."""

import re
from base64 import b64decode, b64encode
from collections.abc import Container, Iterable, Iterator
from copy import copy

import msgspec

from halt400.records import Diagnosis, Header, Offence, Proxy, Request, Response, ResponseEvent, RunnerUp
from halt400.redaction.bodies import redact_bytes
from halt400.redaction.credentials import HEADER_KINDS
from halt400.redaction.known_secrets import KnownSecrets
from halt400.redaction.rules import RedactionRules
from halt400.redaction.secret_names import SecretNames
from halt400.redaction.text_redactor import NeededStages, TextRedactor
from halt400.redaction.tokens import Tokens

__all__ = ["Redactor"]

_URL_HEADERS = frozenset({"referer", "location", "content-location", "origin", ":path", "x-original-url"})
_TOKEN = re.compile(r":?[A-Za-z0-9-]{1,64}")
_FORM_START = re.compile(r"\s{0,16}[^\s=&{}<>\"'\[]{1,256}=")


class Redactor:
    """Replaces the secrets of a record by keyed tokens of the same kind and length.

    No byte offset changes, so that evidence and diagnosis still hold. Redacting twice is the same as redacting once.

    Parameters
    ----------
    rules
        The operator's additions.
    key
        At least 16 bytes, secret. Archives made with one key can be compared.

    Raises
    ------
    SettingError
        When the key is too short.

    Examples
    --------
    >>> redactor = Redactor(RedactionRules(), b"a key of at least 16 bytes")
    >>> redactor.text('{"user": "ann", "password": "s3cret",}')
    '{"user": "ann", "password": "xxxxxx",}'
    """

    def __init__(self, rules: RedactionRules, key: bytes) -> None:
        self._tokens = Tokens(key)
        names = SecretNames(rules)
        self._names = names
        self._text = TextRedactor(names, rules, self._tokens)
        self._latin1 = TextRedactor(names, rules, self._tokens, latin1=True)

    def text(self, text: str) -> str:
        """Any text: a log line, a traceback, a message, a record that cannot be decoded."""
        known = KnownSecrets()
        return known.replace_echoes(self._text.text(text, known), self._text.replacer)

    def url(self, url: str) -> str:
        """A URL: its userinfo, query, fragment, matrix parameters, and secrets of known formats."""
        return self._url(url, None, None)

    def headers(self, headers: Iterable[Header]) -> list[Header]:
        """Headers in their order, with their names unchanged."""
        return self._headers(list(headers), None, None)

    def body(self, body: str, content_type: str = "") -> str:
        """A body as text; a form is read as a form unless it looks like something else."""
        return self._body_text(body, content_type, self._text, None, None)

    def request(self, request: Request) -> Request:
        """The request with its secrets replaced."""
        return self._request(request, KnownSecrets(), None)

    def response(self, response: Response) -> Response:
        """The response with its secrets replaced; only `event` finds the request's secrets in it, too."""
        return self._response(response, KnownSecrets(), None)

    def event(self, event: ResponseEvent) -> ResponseEvent:
        """The event with its secrets replaced, also where the response repeats those of the request."""
        return self._event(event, KnownSecrets())

    def offence(self, offence: Offence) -> Offence:
        """The offence with its secrets replaced, in the event and in the diagnosis."""
        known = KnownSecrets()
        event = self._event(offence.event, known)
        diagnosis = offence.diagnosis
        if diagnosis is not None:
            diagnosis = self._diagnosis(diagnosis, offence.event, event, known)
        return msgspec.structs.replace(offence, event=event, diagnosis=diagnosis)

    def diagnosis(self, diagnosis: Diagnosis, event: ResponseEvent) -> Diagnosis:
        """The diagnosis of an event with its secrets replaced; an excerpt is cut from the redacted event."""
        known = KnownSecrets()
        return self._diagnosis(diagnosis, event, self._event(event, known), known)

    def _event(self, event: ResponseEvent, known: KnownSecrets) -> ResponseEvent:
        stages = self._text.needed_stages_of(_texts(event, HEADER_KINDS))
        request = self._request(event.request, known, stages)
        response = self._response(event.response, known, stages)
        proxy = event.proxy
        if proxy is not None:
            pool = proxy.pool and self._text.text(proxy.pool, known, stages)
            proxy = Proxy(id=self._text.text(proxy.id, known, stages), pool=pool)
        changed = copy(event)
        changed.request, changed.response, changed.proxy = self._echoes(request, known), response, proxy
        return changed

    def _request(self, request: Request, known: KnownSecrets, stages: NeededStages | None) -> Request:
        changed = copy(request)
        changed.headers = self._headers(request.headers, known, stages)
        changed.body, changed.body_base64 = self._bodies(request, known, stages)
        changed.url = self._url(request.url, known, stages)
        digest = request.body_sha256
        if digest is not None and (changed.body != request.body or changed.body_base64 != request.body_base64):
            changed.body_sha256 = (self._tokens.digest(digest.encode()) * 2)[: len(digest)]
        return self._echoes(changed, known)

    def _echoes(self, request: Request, known: KnownSecrets) -> Request:
        """Replace secrets in a part that was redacted before they were found."""
        if known:
            replacer = self._text.replacer
            request.headers = [(name, known.replace_echoes(value, replacer)) for name, value in request.headers]
            request.url = known.replace_echoes(request.url, replacer)
        return request

    def _response(self, response: Response, known: KnownSecrets, stages: NeededStages | None) -> Response:
        changed = copy(response)
        changed.headers = self._headers(response.headers, known, stages)
        changed.body, changed.body_base64 = self._bodies(response, known, stages)
        return changed

    def _headers(self, headers: list[Header], known: KnownSecrets | None, stages: NeededStages | None) -> list[Header]:
        text = self._text
        redacted: list[Header] = []
        for name, value in headers:
            if name.lower() in _URL_HEADERS:
                clean = self._url(value, known, stages)
            else:
                clean = text.header(name, value, known, stages)
            redacted.append((name if _TOKEN.fullmatch(name) else text.text(name, known), clean))
        return redacted

    def _url(self, url: str, known: KnownSecrets | None, stages: NeededStages | None) -> str:
        text = self._text
        if stages is None or url in stages.clean:  # as a text it has no secret, as a URL it may have
            stages = text.needed_stages(url)
        url = text.userinfo(url, known) if stages.users else url
        query = min((at for at in (url.find("?"), url.find("#")) if at >= 0), default=-1)
        if query < 0:
            return text.text(url, known, stages)
        head, query_text = text.text(url[:query], known, stages), url[query + 1 :]
        if url[query] == "?" and "#" in query_text:
            query_text, _, fragment = query_text.partition("#")
            tail = f"?{text.parameters(query_text, known, stages)}#{text.parameters(fragment, known, stages)}"
        else:
            tail = url[query] + text.parameters(query_text, known, stages)
        return text.redact_formats(head + tail, known, stages)

    def _bodies(
        self, message: Request | Response, known: KnownSecrets, stages: NeededStages | None
    ) -> tuple[str | None, str | None]:
        if message.body is None and message.body_base64 is None:
            return None, None
        content_type = content_encoding = ""
        for name, value in message.headers:
            lowered = name.lower()
            if lowered == "content-type":
                content_type = content_type or value
            elif lowered == "content-encoding":
                content_encoding = content_encoding or value
        body = message.body and self._body_text(message.body, content_type, self._text, known, stages)
        if message.body_base64 is None:
            return body, None

        def redact(text: str, latin1: bool) -> str:
            return self._body_text(text, content_type, self._latin1 if latin1 else self._text, known, None)

        try:
            raw = b64decode(message.body_base64, validate=True)
        except ValueError:
            return body, self._text.text(message.body_base64, known)
        redacted = redact_bytes(raw, content_encoding, redact)
        return body, message.body_base64 if redacted == raw else b64encode(redacted).decode()

    @staticmethod
    def _body_text(
        body: str, content_type: str, text: TextRedactor, known: KnownSecrets | None, stages: NeededStages | None
    ) -> str:
        if not body:
            return body
        first = body.lstrip("\ufeff \t\r\n")[:1] if body[:1] in "\ufeff \t\r\n" else body[0]
        if first not in "{[<\"'-" and ("form-urlencoded" in content_type.lower() or _FORM_START.match(body)):
            return text.parameters(body, known, stages)
        return text.text(body, known, stages)

    def _diagnosis(
        self, diagnosis: Diagnosis, event: ResponseEvent, redacted: ResponseEvent, known: KnownSecrets
    ) -> Diagnosis:
        texts = [diagnosis.remedy, *diagnosis.ruled_out, *(other.detail for other in diagnosis.runners_up)]
        for found in diagnosis.evidence:
            texts += [found.detail, found.name or "", found.excerpt or ""]
        stages = self._text.needed_stages_of(texts)

        def clean(text: str) -> str:
            return self._text.text(text, known, stages)

        changed = copy(diagnosis)
        changed.remedy = clean(diagnosis.remedy)
        changed.ruled_out = [clean(reason) for reason in diagnosis.ruled_out]
        changed.runners_up = [
            RunnerUp(cause=other.cause, confidence=other.confidence, detail=clean(other.detail))
            for other in diagnosis.runners_up
        ]
        changed.evidence = []
        for found in diagnosis.evidence:
            one = copy(found)
            one.detail = clean(found.detail)
            one.name = found.name and clean(found.name)
            one.excerpt = found.excerpt and self._text.text(_recut(found.excerpt, event, redacted), known)
            changed.evidence.append(one)
        return changed


def _recut(excerpt: str, event: ResponseEvent, redacted: ResponseEvent) -> str:
    """The same piece of the redacted event: an excerpt may start after the name of its secret."""
    cut = excerpt.strip("…")
    if len(cut) >= 4:
        for before, after in zip(_texts(event), _texts(redacted), strict=True):
            at = before.find(cut) if len(before) == len(after) else -1
            if at >= 0:
                return excerpt.replace(cut, after[at : at + len(cut)])
    return excerpt


def _texts(event: ResponseEvent, but: Container[str] = ()) -> Iterator[str]:
    """The texts of an event, bodies before headers, without the values of the headers in `but`."""
    request, response = event.request, event.response
    yield from (request.url, request.body or "", response.body or "")
    if event.proxy is not None:
        yield from (event.proxy.id, event.proxy.pool or "")
    yield from [value for name, value in request.headers if name.lower() not in but]
    yield from [value for name, value in response.headers if name.lower() not in but]
