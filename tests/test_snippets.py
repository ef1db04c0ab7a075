"""Every Python block of README and docs runs as it is copied, with what the page says to install and nothing more.

No name resolves while they run, as on a machine without network: a snippet has to end as it should, or by the error of
the client that finds no server, or no browser. Whatever Halt400 does without Kafka, it neither fails nor hangs.
"""

import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.bare_environment import Environment, build_wheel

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
DEADLINE_S = 60.0

RUN = """
import re, socket, sys
from importlib import import_module
from pathlib import Path

def unknown(host, *rest, **more):
    raise socket.gaierror(socket.EAI_NONAME, f"{host} is unknown")

socket.getaddrinfo = unknown
code = Path(sys.argv[1]).read_text()
for module, name in re.findall(r'"(halt400[.][\\w.]+)[.](\\w+)"', code):
    getattr(import_module(module), name)
try:
    exec(compile(code, sys.argv[1], "exec"), {"__name__": "__main__"})
except Exception as error:
    known = r"is unknown|resolve|ERR_NAME|Executable doesn't exist|curl: \\(6\\)"
    if not re.search(known, f"{error!r} {error.__cause__!r}"):
        raise
    print("found no server")
"""


class Snippet(NamedTuple):
    name: str
    extras: frozenset[str]
    code: str


def snippets(page: Path) -> list[Snippet]:
    """The Python blocks of a page, each with the extras that the page names before it."""
    text, found = page.read_text(), []
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        named = re.findall(r"pip install ['\"]?halt400(?:\[([\w,-]+)\])?", text[: block.start()])
        extras = frozenset(filter(None, named[-1].split(","))) if named else frozenset()
        line = text.count("\n", 0, block.start()) + 1
        found.append(Snippet(f"{page.relative_to(REPOSITORY)}:{line}", extras, block[1]))
    return found


ALL = [snippet for page in PAGES for snippet in snippets(page)]


def name_of(extras: frozenset[str]) -> str:
    return "-".join(sorted(extras)) or "none"


def run(environment: Environment, folder: Path, snippet: Snippet) -> tuple[str, str]:
    path = folder / f"{re.sub(r'[^a-zA-Z0-9]', '_', snippet.name)}.py"
    path.write_text(snippet.code)
    command = [environment.bin / "python", "-I", "-W", "error::SyntaxWarning", "-c", RUN, path]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return snippet.name, "" if done.returncode == 0 else done.stdout + done.stderr


def test_readme_and_the_pages_of_the_sdk_have_snippets() -> None:
    clients = ("aiohttp", "crawlee", "curl_cffi", "httpx", "playwright", "requests", "scrapy")
    pages = {"README.md", "docs/sdk.md", *(f"docs/sdk/{client}.md" for client in clients)}
    assert pages <= {snippet.name.partition(":")[0] for snippet in ALL}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[frozenset[str]], Environment]:
    """Makes the bare environment of a set of extras, once."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = build_wheel(folder)

    @cache
    def make(extras: frozenset[str]) -> Environment:
        return Environment.with_unpacked(folder / "-".join(["venv", *sorted(extras)]), wheel, extras)

    return make


@pytest.mark.parametrize("extras", sorted({snippet.extras for snippet in ALL}, key=sorted), ids=name_of)
def test_every_snippet_runs_as_it_is_copied(
    extras: frozenset[str], environment: Callable[[frozenset[str]], Environment], tmp_path: Path
) -> None:
    bare, wanted = environment(extras), [snippet for snippet in ALL if snippet.extras == extras]
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(pool.map(lambda snippet: run(bare, tmp_path, snippet), wanted))
    failed = {name: error for name, error in outcomes.items() if error}
    assert not failed, "\n".join(f"{name}\n{error}" for name, error in failed.items())


def test_a_snippet_that_lacks_an_extra_is_found(
    environment: Callable[[frozenset[str]], Environment], tmp_path: Path
) -> None:
    code = next(snippet.code for snippet in ALL if snippet.name.startswith("README.md"))
    _, error = run(environment(frozenset()), tmp_path, Snippet("lacking", frozenset(), code))
    assert "No module named 'httpx'" in error
