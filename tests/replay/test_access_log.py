from datetime import UTC, datetime
from pathlib import Path

import pytest

from halt400.exchanges import Unread
from streams.replay import Recording, read_events
from tests.replay.conftest import Read

COMBINED = (
    '203.0.113.9 - - [17/May/2015:10:05:03 +0200] "GET /products/42?x=1 HTTP/1.1" 400 226 '
    '"http://shop.example/" "Mozilla/5.0 (X11)"'
)


def _line(request: str, status: str = "400", prefix: str = "203.0.113.9 - -") -> str:
    return f'{prefix} [17/May/2015:10:05:03 +0000] "{request}" {status} 226 "-" "-"'


@pytest.mark.slow
def test_every_line_of_a_real_log_is_read(corpora: Path) -> None:
    with Recording(str(corpora / "access_logs" / "elastic_apache_logs")) as recording:
        items = list(read_events(recording))
    assert len(items) == 10_000
    assert not [item for item in items if isinstance(item, Unread)]


def test_a_combined_line_gives_all_that_it_holds(read: Read) -> None:
    (event,), _ = read(COMBINED, name="Access.log")
    assert event.time == datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC).timestamp() * 1000
    assert (event.target, event.job_id) == ("access.log", "Access.log/products")
    assert (event.request.method, event.request.url) == ("GET", "http://access.log/products/42?x=1")
    assert (event.response.status, event.response.body_size) == (400, 226)
    assert event.request.headers == [("Referer", "http://shop.example/"), ("User-Agent", "Mozilla/5.0 (X11)")]


def test_a_common_line_and_a_custom_tail_are_read(read: Read) -> None:
    events, unread = read(
        '::1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" 200 -\n' + COMBINED + ' "203.0.113.1" rt=0.003\n'
    )
    assert not unread
    assert (events[0].request.http_version, events[0].response.body_size) == ("2", None)


@pytest.mark.parametrize(
    ("prefix", "target"),
    [
        ("shop.example:443 203.0.113.9 - -", "shop.example"),
        ("Shop.example:8443 2001:db8::1 - -", "shop.example:8443"),
        ("shop.example 203.0.113.9 - frank", "shop.example"),
        ("203.0.113.9 - Frank van Eyck", "input"),
        ("2001:db8::1 - -", "input"),
    ],
)
def test_a_virtual_host_in_front_is_the_target(read: Read, prefix: str, target: str) -> None:
    (event,), _ = read(_line("GET /a HTTP/1.1", prefix=prefix))
    assert event.target == target


def test_port_443_makes_the_url_https(read: Read) -> None:
    (event,), _ = read(_line("GET /a HTTP/1.1", prefix="shop.example:443 203.0.113.9 - -"))
    assert event.request.url == "https://shop.example/a"


def test_a_forward_proxy_s_log_names_its_targets(read: Read) -> None:
    events, _ = read(
        _line("GET http://Api.shop.example/v1/items HTTP/1.1") + "\n" + _line("CONNECT api.other.example:443 HTTP/1.1")
    )
    assert [(event.target, event.job_id) for event in events] == [
        ("api.shop.example", "input/v1"),
        ("api.other.example", "input/"),
    ]


@pytest.mark.parametrize(
    ("logged", "raw"),
    [
        (r"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "\x16\x03\x01\x02\x00\x01\x00\x01ü"),
        ("-", "-"),
        ("", "-"),
        (r"\n", "\n"),
        ("hello world", "hello world"),
        (r"t3 12.1.2\n", "t3 12.1.2\n"),
        ("GET", "GET"),
    ],
)
def test_a_request_line_that_is_none_goes_to_a_job_of_its_own(read: Read, logged: str, raw: str) -> None:
    (event,), unread = read(_line(logged), name="access.log")
    assert not unread
    assert (event.request.method, event.request.url) == ("-", raw)
    assert event.job_id == "access.log (unreadable request line)"
    assert event.response.status == 400


def test_escapes_are_undone(read: Read) -> None:
    (event,), _ = read(_line(r"GET /caf\xc3\xa9?q=\"a\\b\" HTTP/1.1"))
    assert event.request.url == 'http://input/café?q="a\\b"'


def test_bytes_that_are_no_utf_8_are_read_all_the_same(read: Read) -> None:
    (event,), unread = read(_line("GET /caf\udce9 HTTP/1.1").encode(errors="surrogateescape"))
    assert not unread
    assert event.request.url == "http://input/café"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (_line("GET / HTTP/1.1", status="-"), "no status"),
        (_line("GET / HTTP/1.1", status="099"), "status"),
        (_line("GET / HTTP/1.1").replace("May", "Mai"), "time"),
        (_line("GET / HTTP/1.1").replace("17/", "37/"), "time"),
        (_line("GET / HTTP/1.1").replace("2015", "1815"), "time"),
        ("nonsense", "no line of"),
        ('203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1', "no line of"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_next_one_is_read(read: Read, line: str, what: str) -> None:
    events, (unread,) = read(f"{COMBINED}\n{line}\n{COMBINED}\n")
    assert len(events) == 2
    assert unread.where == "line 2"
    assert what in unread.what


@pytest.mark.parametrize(
    "hostile",
    [
        " [" * 400_000,
        'a [17/May/2015:10:05:03 +0000] "' * 30_000,
        'a b c [17/May/2015:10:05:03 +0000] "' + "\\" * 1_000_001,
        'a b c [17/May/2015:10:05:03 +0000] "' + "G " * 500_000 + '" 200 1',
    ],
)
def test_a_hostile_line_costs_no_more_than_its_length(read: Read, hostile: str) -> None:
    events, unread = read(f"{COMBINED}\n{hostile}\n{COMBINED}\n")
    assert len(events) + len(unread) == 3
    assert len(events) >= 2
