"""Every command: what its help says, and that nothing ends in a traceback, without Kafka and with wrong input."""

import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from halt400.cli import main
from halt400.cli.app import build
from streams.api.openapi import openapi_document

from .command import run

PAGE_DIRECTORY = Path(__file__).parents[2] / "docs"
PAGE = (PAGE_DIRECTORY / "cli.md").read_text()


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    if hasattr(group, "commands"):
        for name, inner in group.commands.items():
            yield from commands(inner, (*path, name))
        if group.invoke_without_command:
            yield " ".join(path), group
    else:
        yield " ".join(path), group


COMMANDS = {path: command for path, command in commands(typer.main.get_command(build())) if path}


@pytest.mark.parametrize("path", COMMANDS)
def test_a_help_has_exit_codes_and_an_example_that_is_accepted(path: str) -> None:
    text = re.sub(r"\s+", " ", COMMANDS[path].help or "")
    assert re.search(r"Exit codes?:? ", text), path
    example = re.search(rf"^ *(?:Example: )?halt400 ({path}\b.*)$", COMMANDS[path].help or "", re.MULTILINE)
    assert example is not None, path
    arguments = shlex.split(example[1])[len(path.split()) :]
    COMMANDS[path].make_context(path, arguments)


@pytest.mark.parametrize("path", COMMANDS)
def test_a_help_begins_with_one_sentence_and_is_wrapped_by_the_terminal(path: str) -> None:
    first, *others = (COMMANDS[path].help or "").split("\n\n")
    assert "Exit codes" not in first, path
    assert [one for one in (first, *others) if "\n" in one and not one.startswith("\b")] == [], path


def groups(group: Any) -> Iterator[Any]:
    """A group and those in it."""
    yield group
    for inner in group.commands.values():
        if hasattr(inner, "commands"):
            yield from groups(inner)


def test_a_group_has_an_example_too() -> None:
    found = list(groups(typer.main.get_command(build())))
    assert len(found) > 6
    for group in found:
        example = re.search(r"^Example: halt400 (.+)$", group.help or "", re.MULTILINE)
        assert example is not None, group.name
        assert example[1].startswith(tuple(COMMANDS)), group.name


def test_the_page_has_every_command_and_every_exit_code() -> None:
    table = PAGE.partition("## Commands")[2].partition("##")[0]
    words = set(re.findall(r"[a-z0-9-]+", " ".join(re.findall(r"`([^`]+)`", table))))
    assert [path for path in COMMANDS if not set(path.split()) <= words] == []
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    named = {
        int(code)
        for command in COMMANDS.values()
        for text in re.findall(r"Exit codes?:? (.*?)(?:\n\n|$)", command.help or "", re.DOTALL)
        for code in re.findall(r"(?<![\w-])(\d+)(?=[:]? \w)", re.sub(r"\s+", " ", text))
    }
    assert named <= codes, named - codes


WITHOUT_JSON = {
    "it is a program that goes on": {"worker", "api", "run", "demo", "local kafka", "local s3", "tail", "top"},
    "it reads nothing": {"alerts ack", "api token add", "archive init", "local install", "signing-key"},
    "its output is a document of its own: text, HAR, a curl command": {"archive show", "archive har", "archive curl"},
}


def test_what_reads_has_json() -> None:
    without = {
        path for path, command in COMMANDS.items() if "--format" not in {o for p in command.params for o in p.opts}
    }
    assert without == {path for paths in WITHOUT_JSON.values() for path in paths}


OVER_HTTP = {
    "rates": ("GET /v1/targets", "GET /v1/targets/{target}/rates"),
    "top": ("GET /v1/targets", "GET /v1/quarantines", "GET /v1/events"),
    "quarantines": ("GET /v1/quarantines", "GET /v1/commands"),
    "offences": ("GET /v1/offences",),
    "findings": ("GET /v1/findings", "GET /v1/events"),
    "explain": ("GET /v1/targets/{target}/explanation",),
    "what-if": ("GET /v1/policies/what-if",),
    "release": ("POST /v1/operations",),
    "extend": ("POST /v1/operations",),
    "quarantine": ("POST /v1/operations",),
    "probe": ("POST /v1/operations",),
    "diagnose": ("POST /v1/diagnoses",),
    "alerts list": ("GET /v1/incidents", "GET /v1/alerts"),
    "alerts routes": ("GET /v1/alerts/routes",),
    "alerts test": ("POST /v1/alerts/tests",),
    "alerts ack": ("POST /v1/acknowledgements",),
    "alerts resend": ("POST /v1/alerts/resend",),
    "dead-letters list": ("GET /v1/dead-letters",),
    "dead-letters show": ("GET /v1/dead-letters/{topic}/{id}",),
    "dead-letters redrive": ("POST /v1/dead-letters/redrive",),
    "archive show": ("GET /v1/offences/{id}",),
    "archive har": ("GET /v1/offences/{id}",),
    "archive curl": ("GET /v1/offences/{id}",),
}
NOT_OVER_HTTP = {
    "it runs here": {"worker", "api", "run", "demo", "local kafka", "local s3", "local install"},
    "it examines or sets up the installation of who calls it": {
        "doctor", "settings", "topics apply", "topics check", "topics list", "topics acls", "archive init",
        "archive verify", "rebuild", "api token add", "api token list", "signing-key",
    },
    "it reads files of who calls it": {"replay", "tail"},
}  # fmt: skip


def test_what_a_command_does_is_done_over_http_too() -> None:
    document = openapi_document()
    served = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert {way for ways in OVER_HTTP.values() for way in ways} <= served
    assert set(COMMANDS) == {*OVER_HTTP, *(name for names in NOT_OVER_HTTP.values() for name in names)}
    page = (PAGE_DIRECTORY / "api.md").read_text()
    assert [way for ways in OVER_HTTP.values() for way in ways if way.split()[1] not in page] == []


WITHOUT_KAFKA = [
    "topics apply",
    "topics check",
    "explain api.shop.example",
    "release job/a.example/j --reason r --timeout 2",
    "quarantine target/a.example --reason r --timeout 2",
    "alerts resend",
    "alerts ack a.example/none",
    "archive verify",
    "archive show file:///nowhere/a/b.har",
    "dead-letters list",
    "dead-letters show 0-1",
    "dead-letters redrive --all --yes",
    "rates",
    "quarantines",
    "offences",
    "findings",
    "top",
    "alerts list",
]
WRONG = [
    "nonsense",
    "rates --window 7m",
    "rates --at yesterday",
    "quarantines --state nope",
    "offences --cause nope",
    "findings --kind nope",
    "top --every 0",
    "dead-letters redrive",
    "dead-letters show x",
    "release x --reason r",
    "extend job/a/b --reason r --hold soon",
    "quarantine job/a/b --reason ''",
    "alerts list --limit 0",
    "diagnose /dev/null --input xml",
    "settings --format xml",
    "replay x --speed slow",
    "api --port 70000",
    "worker --role nope",
]
UNREADABLE = [
    "diagnose /nowhere",
    "replay --dry-run /nowhere",
    "archive har nonsense",
    "archive curl s3:/x",
    "rates --url nonsense",
    "alerts routes --file /nowhere",
]


IN_A_PROCESS = ("worker", "demo --once", "run --once")
"""They set up a process: log, signals, collector."""


@pytest.fixture
def nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of an installation of which neither Kafka nor the API is there."""
    config = tmp_path / "halt400.toml"
    config.write_text("[alerts]\n")
    variables = {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HALT400_API_PORT": "1",
        "HALT400_ARCHIVE_URI": (tmp_path / "archive").as_uri(),
        "HALT400_CONFIG_PATH": str(config),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def end(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and stderr of a command, called as the installed script calls it."""
    monkeypatch.setattr("sys.argv", ["halt400", *shlex.split(line)])
    monkeypatch.setattr(logging.getLogger("aiokafka"), "level", logging.NOTSET)  # `main` raises it, here for good
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err


def is_one_line_that_names(err: str, *names: str) -> bool:
    return len(err.splitlines()) == 1 and err.startswith("halt400: ") and any(name in err for name in names)


@pytest.mark.parametrize("line", WITHOUT_KAFKA)
def test_without_kafka_a_command_ends_in_one_line_that_names_what_does_not_answer(
    line: str,
    nothing_answers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, err = end(line, monkeypatch, capsys)
    assert code == 1
    assert is_one_line_that_names(err, "127.0.0.1:1", "/nowhere"), err


@pytest.mark.slow
@pytest.mark.parametrize("line", IN_A_PROCESS)
async def test_so_does_a_process(line: str, nothing_answers: dict[str, str]) -> None:
    outcome = await run(*line.split(), **nothing_answers)
    assert outcome.code == 1
    assert is_one_line_that_names(outcome.err, "127.0.0.1:1"), outcome.err


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_argument_ends_with_two(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = end(line, monkeypatch, capsys)
    assert (code, "Error" in err, "Traceback" in err) == (2, True, False), err


@pytest.mark.parametrize("line", UNREADABLE)
def test_what_cannot_be_read_is_one_line(
    line: str,
    nothing_answers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, err = end(line, monkeypatch, capsys)
    assert code == 1
    assert is_one_line_that_names(err, "/nowhere", "nonsense", "s3:/x"), err


def test_a_fault_of_ours_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.settings.catalogue.catalogue", lambda settings: 1 / 0)
    code, err = end("settings", monkeypatch, capsys)
    assert (code, len(err.splitlines())) == (70, 1)
    assert err.startswith("halt400: unexpected ZeroDivisionError")
    monkeypatch.setenv("HALT400_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        end("settings", monkeypatch, capsys)
