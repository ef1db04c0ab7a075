"""Every command: what its help says, and that nothing ends in a traceback, without Kafka and with wrong input."""

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from halt400.cli.app import build

from .command import run

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


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
    "worker",
    "demo --once",
    "run --once",
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
    "diagnose - --input xml",
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


async def ends(tmp_path: Path, lines: list[str]) -> dict[str, tuple[int, str]]:
    """The exit code and stderr of each command, where neither Kafka nor the API is; `run` refuses a traceback."""
    config = tmp_path / "halt400.toml"
    config.write_text("[alerts]\n")
    variables = {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "HALT400_API_PORT": "1",
        "HALT400_ARCHIVE_URI": (tmp_path / "archive").as_uri(),
        "HALT400_CONFIG_PATH": str(config),
    }
    at_once = asyncio.Semaphore(2)

    async def end(line: str) -> tuple[int, str]:
        async with at_once:
            outcome = await run(*shlex.split(line), **variables)
            return outcome.code, outcome.err

    return dict(zip(lines, await asyncio.gather(*map(end, lines)), strict=True))


@pytest.mark.slow
async def test_without_kafka_every_command_ends_in_one_line_that_names_what_does_not_answer(tmp_path: Path) -> None:
    found = await ends(tmp_path, WITHOUT_KAFKA)
    assert {line: code for line, (code, _) in found.items() if code != 1} == {}
    assert {line: err for line, (_, err) in found.items() if len(err.splitlines()) != 1} == {}
    named = ("127.0.0.1:1", "file:///nowhere")
    assert {line: err for line, (_, err) in found.items() if not any(name in err for name in named)} == {}


@pytest.mark.slow
async def test_wrong_input_ends_with_two_and_what_cannot_be_read_in_one_line(tmp_path: Path) -> None:
    found = await ends(tmp_path, WRONG)
    assert {line: code for line, (code, _) in found.items() if code != 2} == {}
    unread = await ends(tmp_path, UNREADABLE)
    assert {line: end for line, end in unread.items() if end[0] != 1 or len(end[1].splitlines()) != 1} == {}
