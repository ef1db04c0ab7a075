"""Logs of servers and proxies: recognized, read, and a clear error where a line does not fit."""

from pathlib import Path

import pytest

from halt400.errors import InputError, InvalidRecord
from halt400.exchanges import FORMATS, EventBuilder, InputFile, RecordedExchange, Unread, chosen_format, detect_format
from halt400.records import ResponseEvent
from tests.exchanges.samples import (
    ALB,
    CADDY,
    CLASSIC_LOAD_BALANCER,
    COMBINED,
    ENVOY,
    ISTIO,
    NGINX_MAIN,
    SQUID,
    SQUID_LINES,
)

SAMPLES = {
    "combined": [COMBINED],
    "alb": [ALB, CLASSIC_LOAD_BALANCER, ALB.replace("http 2018", "h2 2018")],
    "caddy": [CADDY],
    "envoy": [ENVOY, ISTIO],
    "squid": [SQUID, *SQUID_LINES],
}


def exchange(name: str, line: str) -> RecordedExchange:
    parse_line = FORMATS[name].parse_line
    assert parse_line is not None
    return parse_line(line.encode(), 1)


def event(found: RecordedExchange, label: str = "access.log") -> ResponseEvent:
    return EventBuilder(label, 0).event(found)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in SAMPLES.items() for line in lines])
def test_a_documented_line_is_recognized_and_read(tmp_path: Path, name: str, line: str) -> None:
    path = tmp_path / "log"
    path.write_text(line + "\n")
    with InputFile(str(path)) as file:
        found = detect_format(file)
        (one,) = found.read(file)
    assert found.name == name
    assert isinstance(one, RecordedExchange)


def test_a_load_balancers_line_gives_its_target_times_and_sizes() -> None:
    found = exchange("alb", ALB.replace("192.168.131.39:", "2001:db8::9:"))
    assert (found.client_address, found.duration_ms, found.time_ms) == ("2001:db8::9", 1.0, 1_530_570_180_186)
    assert found.request.headers == [("User-Agent", "curl/7.46.0")]
    made = event(found)
    assert (made.target, made.request.url) == ("www.example.com", "http://www.example.com:80/")
    assert (made.response.status, made.response.body_size) == (200, 366)


@pytest.mark.parametrize(
    ("request_line", "target"), [("- http://shop.example:80- - ", "shop.example"), ("- http://:80- - ", "access.log")]
)
def test_a_request_that_the_load_balancer_could_not_read_has_a_job_of_its_own(request_line: str, target: str) -> None:
    line = ALB.replace("GET http://www.example.com:80/ HTTP/1.1", request_line).replace(" 200 200", " 400 -")
    made = event(exchange("alb", line))
    assert (made.target, made.job_id, made.request.method) == (target, "access.log (unreadable request line)", "-")


def test_envoys_time_is_that_of_the_response_and_its_authority_is_the_target() -> None:
    made = event(exchange("envoy", ENVOY))
    assert (made.target, made.request.url) == ("locations", "http://locations/api/v1/locations")
    assert (made.time, made.duration_ms) == (1_460_751_420_536, 226.0)
    assert (
        "X-Request-Id",
        "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2",
    ) in made.request.headers
    assert event(exchange("envoy", ISTIO)).target == "httpbin:8000"


def test_a_request_that_envoy_could_not_pass_on_got_no_response() -> None:
    found = exchange("envoy", ENVOY.replace("204 -", "0 DC"))
    assert (found.response, found.no_response) == (None, "the request got no response")


@pytest.mark.parametrize(("line", "expected"), SQUID_LINES.items())
def test_squids_urls_name_their_targets(line: str, expected: tuple[str, int]) -> None:
    made = event(exchange("squid", line), "squid.log")
    assert (made.target, made.response.status) == expected


def test_squids_broken_requests_and_those_without_a_response_are_told_apart() -> None:
    broken = event(exchange("squid", list(SQUID_LINES)[-1]), "squid.log")
    assert broken.job_id == "squid.log (unreadable request line)"
    lost = exchange("squid", SQUID.replace("TCP_MISS/200", "TCP_MISS_ABORTED/000"))
    assert (lost.response, lost.no_response) == (None, "the request got no HTTP response")


def test_caddys_line_gives_host_headers_and_times() -> None:
    found = exchange("caddy", CADDY)
    assert (found.host, found.client_address, found.request.http_version) == ("localhost", "127.0.0.1", "2")
    assert (found.time_ms, found.duration_ms) == (1_646_861_401_524, 0.929675)
    assert found.request.headers[0] == ("User-Agent", "curl/7.82.0")
    assert found.response is not None
    assert found.response.headers[0] == ("Server", "Caddy")
    assert event(found).request.url == "https://localhost/"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ('"ts":"2022-03-09T21:30:01.524Z"', (1_646_861_401_524, 0.929675)),
        ('"ts":"2022/03/09 21:30:01.524"', (None, 0.929675)),
        ('"ts":1646861401.5241024,"duration":"1.5ms"', (1_646_861_401_524, 1.5)),
    ],
)
def test_caddys_other_ways_to_write_times_are_read(changed: str, expected: tuple[int | None, float]) -> None:
    line = CADDY.replace('"ts":1646861401.5241024', changed)
    if '"duration":"' in changed:
        line = line.replace(',"duration":0.000929675', "")
    found = exchange("caddy", line)
    assert (found.time_ms, found.duration_ms) == expected


def test_caddys_other_entries_are_no_exchanges() -> None:
    found = exchange("caddy", '{"level":"info","ts":1646861401.5,"logger":"tls.obtain","msg":"acquiring lock"}')
    assert (found.response, found.no_response) == (None, "an entry of Caddy's log without a request")


NGINX_LINE = (
    '203.0.113.9 - frank van eyck [17/May/2015:10:05:03 +0000] "POST /a?q=\\x22b\\x22 HTTP/2.0" 400 226 "-" '
    '"a \\x22b\\x22" "198.51.100.7, 10.0.0.1"'
)


def nginx(definition: str, line: str) -> RecordedExchange:
    found = chosen_format(None, definition)
    assert found is not None
    assert found.parse_line is not None
    assert found.looks_like(line.encode())
    return found.parse_line(line.encode(), 1)


@pytest.mark.parametrize(
    "definition",
    [
        NGINX_MAIN,
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" "$http_x_forwarded_for"',
        NGINX_MAIN.replace("$status", "${status}"),
    ],
)
def test_a_log_format_is_taken_as_it_stands_in_nginx_conf(definition: str) -> None:
    found = nginx(definition, NGINX_LINE)
    assert (found.request.method, found.request.url, found.request.http_version) == ("POST", '/a?q="b"', "2")
    assert found.request.headers == [("User-Agent", 'a "b"'), ("X-Forwarded-For", "198.51.100.7, 10.0.0.1")]
    assert found.response is not None
    assert (found.response.status, found.response.body_size, found.time_ms) == (400, 226, 1_431_857_103_000)
    assert event(found).target == "access.log"


def test_nginx_logs_of_json_are_read_with_their_host_body_and_duration() -> None:
    definition = """log_format j escape=json '{"t":$msec,"h":"$http_host","s":"$scheme","r":"$request",'
        '"status":$status,"took":$request_time,"body":"$request_body","up":"$upstream_addr","ct":"$sent_http_content_type"}';"""
    line = (
        '{"t":1431857103.123,"h":"Shop.example:8443","s":"https","r":"POST /v1 HTTP/1.1","status":400,'
        '"took":0.250,"body":"{\\"a\\": 1, }","up":"10.0.0.1:80, 10.0.0.2:80","ct":"text/html"}'
    )
    found = nginx(definition, line)
    made = event(found)
    assert (made.target, made.request.url) == ("shop.example:8443", "https://shop.example:8443/v1")
    assert (made.request.body, made.duration_ms, made.time) == ('{"a": 1, }', 250.0, 1_431_857_103_123)
    assert made.response.headers == [("Content-Type", "text/html")]


def test_the_format_of_ingress_nginx_is_read_with_several_upstreams() -> None:
    # https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/
    found = nginx(
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" '
        "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
        "$upstream_response_length $upstream_response_time $upstream_status $req_id",
        '203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" 502 0 "-" "curl" 30 0.004 [default-web-80] [] '
        "10.0.0.1:80, 10.0.0.2:80 0, 0 0.001, 0.002 502, 502 abc",
    )
    assert (found.response and found.response.status, found.duration_ms) == (502, 4.0)


def test_a_request_in_its_parts_is_put_together() -> None:
    found = nginx(
        "$time_iso8601 $request_method $scheme://$host$uri$is_args$args $server_protocol $status",
        "2015-05-17T10:05:03+00:00 GET https://shop.example/a?b=1 HTTP/1.1 400",
    )
    assert (found.request.method, event(found).request.url) == ("GET", "https://shop.example/a?b=1")


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("$request", "has no \\$status"),
        ("$status $host", "has no request"),
        ("no variables", "has no \\$variable"),
        ("$request$status", "\\$request and \\$status have no text between them"),
        ("log_format main '$request $status", "a quote that does not end"),
        ("log_format main escape=xml '$request $status';", "escape=xml"),
    ],
)
def test_a_log_format_that_cannot_be_used_says_why(definition: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen_format(None, definition)


@pytest.mark.parametrize(
    ("name", "log_format", "message"),
    [
        ("pcap", None, "no format 'pcap'"),
        ("nginx", None, "--log-format"),
        ("squid", "$request $status", "does not go with"),
    ],
)
def test_names_that_do_not_go_together_are_refused(name: str, log_format: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen_format(name, log_format)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alb", "TYPE TIME ELB"),
        ("caddy", 'an object with "ts"'),
        ("combined", "CLIENT IDENT USER"),
        ("envoy", "METHOD PATH PROTOCOL"),
        ("squid", "TIME ELAPSED CLIENT"),
    ],
)
def test_a_line_that_does_not_fit_tells_what_was_found_and_expected(name: str, expected: str) -> None:
    with pytest.raises(InvalidRecord) as raised:
        exchange(name, "nonsense")
    assert "found 'nonsense', expected " in raised.value.message
    assert expected in raised.value.message


def test_a_line_that_does_not_fit_a_log_format_tells_where() -> None:
    found = chosen_format("nginx", NGINX_MAIN)
    assert found is not None
    assert found.parse_line is not None
    with pytest.raises(InvalidRecord, match=r"found '203.0.113.9\[17.*expected \$remote_addr and then ' - '"):
        found.parse_line(NGINX_LINE.replace(" - frank van eyck ", "", 1).encode(), 1)
    with pytest.raises(InvalidRecord, match=r"found ' \"more\"', expected the end of the line"):
        found.parse_line(f'{NGINX_LINE} "more"'.encode(), 1)


@pytest.mark.parametrize("name", [name for name, known in FORMATS.items() if known.parse_line is not None])
@pytest.mark.parametrize("unit", [" [", '"', "a:1 ", "\\", "1.1 ", "{"])
def test_a_hostile_line_costs_no_more_than_its_length(name: str, unit: str) -> None:
    for line in SAMPLES.get(name, ["{"]):
        assert not FORMATS[name].looks_like((line[: len(line) // 4] + unit * 200_000).encode())


@pytest.mark.parametrize("unit", [" [", '" ', "\\", "a"])
def test_a_hostile_line_costs_no_more_than_its_length_under_a_log_format(unit: str) -> None:
    found = chosen_format("nginx", NGINX_MAIN)
    assert found is not None
    assert not found.looks_like((NGINX_LINE[:40] + unit * 300_000).encode())


def test_a_file_of_no_known_format_shows_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("\nhello world\n")
    wanted = r"nor a Squid log.*line 2 is 'hello world'.*--log-format"
    with InputFile(str(path)) as file, pytest.raises(InputError, match=wanted):
        detect_format(file)


def test_a_line_of_another_format_in_the_middle_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "squid.log"
    path.write_text(f"{SQUID}\n{COMBINED}\n{SQUID}\n")
    with InputFile(str(path)) as file:
        first, wrong, last = detect_format(file).read(file)
    assert isinstance(first, RecordedExchange)
    assert isinstance(last, RecordedExchange)
    assert isinstance(wrong, Unread)
    assert str(wrong).startswith(f"{path}, line 2: no line of a Squid log: found '83.149")


def test_envoys_json_log_is_read_by_its_own_names(tmp_path):
    path = tmp_path / "envoy.json"
    path.write_text(
        '{"start_time":"2026-11-28T20:37:02.123Z","method":"POST","path":"/v1/items","protocol":"HTTP/2",'
        '"response_code":400,"bytes_received":154,"bytes_sent":77,"duration":226,"authority":"API.example"}\n'
    )
    with InputFile(str(path)) as file:
        (found,) = detect_format(file).read(file)
    assert isinstance(found, RecordedExchange)
    assert found.response is not None
    assert (found.host, found.request.url, found.response.status) == ("api.example", "/v1/items", 400)
    assert (found.request.http_version, found.duration_ms, found.response.body_size) == ("2", 226.0, 77)


def test_a_json_line_of_an_unknown_shape_is_told_what_it_has_and_what_is_known(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"http": {"verb": "GET"}, "when": 1}\n')
    with InputFile(str(path)) as file:
        (found,) = detect_format(file).read(file)
    assert isinstance(found, Unread)
    assert found.what == "there is no url: the object has http, when"
    assert "request: {method, host, uri}" in found.mend


@pytest.mark.parametrize(("front", "named_by_file"), [("", 1), ("api.example:443 ", 0)])
def test_events_whose_target_is_the_files_name_are_counted(tmp_path, front, named_by_file):
    path = tmp_path / "access.log"
    path.write_text(f'{front}10.0.0.1 - - [28/Nov/2026:22:00:00 +0000] "GET /a HTTP/1.1" 400 34 "-" "-"\n')
    builder = EventBuilder("access.log", 0)
    with InputFile(str(path)) as file:
        (found,) = detect_format(file).read(file)
    assert isinstance(found, RecordedExchange)
    builder.event(found)
    assert builder.named_by_file == named_by_file
