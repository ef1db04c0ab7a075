"""`halt400 diagnose`: what a person and a program get."""
# ruff: noqa: E501 - requests on one line each

import json

import pytest
from typer.testing import CliRunner

from halt400.cli.app import build
from halt400.errors import InputError

BROKEN = '{"method":"POST","url":"https://a.example/x?token=abc123def456ghi","request_headers":{"Content-Type":"application/json"},"request_body":"{\\"page\\": 1,}","status":400}'
FINE = '{"method":"GET","url":"https://a.example/x"}'
UNKNOWN = '{"method":"GET","url":"https://a.example/x","status":400}'


def run(text, *options, **environment):
    return CliRunner().invoke(build(), ["diagnose", "-", *options], input=text, env=environment)


def test_a_defect_is_shown_with_its_caret_and_remedy_and_ends_with_three():
    result = run(BROKEN)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    shown = next(line for line in lines if '{"page": 1,}' in line)
    caret = lines[lines.index(shown) + 1]
    assert shown[caret.index("^")] == ","
    assert "→ Remove the comma" in result.stdout
    assert "abc123def456ghi" not in result.stdout


def test_nothing_wrong_ends_with_zero():
    result = run(FINE)
    assert result.exit_code == 0
    assert "No defect found in 1 request" in result.stdout


def test_an_unknown_cause_is_stated_and_is_no_defect():
    result = run(UNKNOWN)
    assert result.exit_code == 0
    assert "Unknown cause" in result.stdout
    assert "ruled out" in result.stdout


def test_json_is_one_object_for_each_exchange():
    result = run(f"{BROKEN}\n{FINE}\n{UNKNOWN}", "--format", "json")
    assert result.exit_code == 3
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["cause"] for one in objects] == ["malformed_json", None, "unknown"]
    assert {"cause", "blame", "confidence", "evidence", "remedy"} <= set(objects[0])
    assert objects[0]["evidence"][0]["offset"] == 10


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_the_report_fits_the_terminal(width):
    result = run(BROKEN, COLUMNS=width)
    assert max(map(len, result.stdout.splitlines())) <= int(width)
    assert "^" in result.stdout


def test_no_colour_means_no_escape_codes():
    assert "\x1b" not in run(BROKEN, NO_COLOR="1").stdout


@pytest.mark.parametrize(
    ("text", "options"),
    [("nonsense", []), ("", []), (FINE, ["--input", "har"])],
)
def test_bad_input_is_one_clear_error(text, options):
    result = run(text, *options)
    assert isinstance(result.exception, InputError)
    assert result.exit_code == 1


LOG = '203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a%zz HTTP/1.1" 400 226 "-" "me"\n'


def test_a_servers_log_is_recognized_and_its_lines_have_no_headers_to_miss():
    result = run(LOG + LOG.replace("%zz", ""), "--format", "json")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["cause"], first["url"], first["exchange"]) == ("invalid_url_encoding", "http://stdin/a%zz", "line 1")
    assert second["cause"] == "unknown"


def test_a_log_format_is_taken():
    result = run(
        "GET https://a.example/a%zz 400\n", "--log-format", "$request_method $scheme://$host$request_uri $status"
    )
    assert result.exit_code == 3
    assert "Invalid URL encoding" in result.stdout


def test_a_line_of_a_log_that_cannot_be_read_is_one_clear_error():
    result = run(f"{LOG}nonsense\n")
    assert isinstance(result.exception, InputError)
    assert "line 2: no line of a common or combined access log: found 'nonsense'" in str(result.exception)


@pytest.mark.parametrize("options", [["--input", "xml"], ["--format", "xml"]])
def test_a_wrong_argument_ends_with_two_and_lists_the_right_ones(options):
    result = run(FINE, *options)
    assert result.exit_code == 2
    assert "json" in result.stderr


def test_a_file_that_is_not_there_is_one_clear_error():
    result = CliRunner().invoke(build(), ["diagnose", "/nowhere/at/all"])
    assert isinstance(result.exception, InputError)


def test_no_line_of_a_piped_report_ends_in_a_space():
    lines = run(f"{BROKEN}\n{UNKNOWN}").stdout.splitlines()
    assert [line for line in lines if line.endswith(" ")] == []


def test_a_curl_command_is_diagnosed_without_a_file_and_one_of_the_two_is_asked_for():
    given = ["diagnose", "--curl", "curl 'https://api.shop.example/?q=%zz'", "--format", "json"]
    broken = CliRunner().invoke(build(), given)
    assert (broken.exit_code, '"cause":"invalid_url_encoding"' in broken.stdout) == (3, True)
    assert CliRunner().invoke(build(), ["diagnose", "--curl", "curl https://api.shop.example/"]).exit_code == 0
    neither = CliRunner().invoke(build(), ["diagnose"])
    assert (neither.exit_code, "--curl" in neither.output) == (2, True)
