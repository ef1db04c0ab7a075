"""What a stranger's text can do where it is shown or sent on: log, terminal, headers, addresses."""

import logging

import pytest
from aiohttp import web

from halt400.diagnosis import diagnose
from halt400.errors import SettingError
from halt400.records import Offence, Request, Response, ResponseEvent, Source
from halt400.redaction import RedactingFormatter, RedactionRules, Redactor
from streams.alerts.config import parse_alerts
from streams.alerts.http_post import HttpPoster
from streams.archive.har import har_of
from streams.cli.output import visible_text
from streams.logs import TextFormatter
from streams.toml_file import TomlFile
from tests.attacks.listener import Listener

FORGED = "2026-11-28 12:00:00,000 INFO    halt400.worker: all is well"
TEXTS = [
    f"x\n{FORGED}",
    f"x\r{FORGED}",
    f"x\x85{FORGED}",
    f"x\u2028{FORGED}",
    f"x\x0b{FORGED}\x0c",
    "\x1b[2J\x1b]0;owned\x07\x1b[31m",
    "\x9b31m",
    "\u202ekcatta\u202c",
    "\x00\x08\x7f",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_no_text_forges_a_line_of_the_log_or_controls_the_terminal(text: str) -> None:
    formatter = RedactingFormatter(Redactor(RedactionRules(), b"the key of the attacks"), TextFormatter())
    logger = logging.getLogger("halt400.attacks")
    try:
        raise ValueError(text)
    except ValueError as error:
        exc_info = (ValueError, error, error.__traceback__)
    record = logger.makeRecord("halt400.attacks", logging.ERROR, "x.py", 1, "job %s", (text,), exc_info)
    first, *rest = formatter.format(record).split("\n")
    assert first.endswith("job x") or "job " in first
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in (first, *rest))
    assert visible_text(text).isprintable()


async def test_a_redirect_of_a_sink_is_not_followed() -> None:
    """The address that an operator configured may belong to someone else by now."""
    with Listener() as listener:

        async def redirect(_request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": listener.url})

        app = web.Application()
        app.router.add_post("/", redirect)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        poster = HttpPoster(f"http://127.0.0.1:{runner.addresses[0][1]}/", timeout_s=5)
        result = await poster.post(b"{}")
        await poster.close()
        await runner.cleanup()
        assert result.outcome == "refused"
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "//evil.example", "http://", "http://a\r\nX: y/"]
)
def test_an_address_of_a_sink_is_http_or_the_start_stops(url: str) -> None:
    text = f'[alerts.sink.hook]\nkind = "webhook"\nurl = {url!r}\nsecret_env = "S"\n'.replace("'", '"')
    text += '[[alerts.route]]\nname = "all"\nsinks = ["hook"]\n'
    with pytest.raises(SettingError, match="http or https"):
        parse_alerts(TomlFile("halt400.toml", text)).make_sinks({"S": "a secret of 16 bytes"})


def test_nothing_fetches_an_address_that_an_event_names() -> None:
    with Listener() as listener:
        request = Request(method="GET", url=listener.url, headers=[("Host", "a"), ("Referer", listener.url)], body="{")
        response = Response(status=400, headers=[("Location", listener.url)], body=f'{{"type": "{listener.url}"}}')
        event = ResponseEvent(id="e", time=1, target="t", job_id="j", request=request, response=response)
        source = Source(topic="halt400.responses", partition=0, offset=0)
        offence = Offence(target="t", event=event, source=source, archive_uri="file:///a", seen_at=1)
        offence.diagnosis = diagnose(request, response)
        assert listener.url.encode() in har_of(offence)
    assert listener.connections == 0
