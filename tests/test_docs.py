"""What the pages name exists: files, modules, functions, other pages."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from streams.settings import KafkaSettings
from streams.topics import declarations
from streams.worker.faust_app import DETECT_GROUP, FOLLOW_UP_GROUP

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("schemas/*.md")],
    key=lambda page: page.as_posix(),
)
ROOTS = ("benchmarks", "docs", "examples", "halt400", "schemas", "streams", "tests")
TOPICS = {topic.name for topic in declarations(KafkaSettings())} | {"halt400.toml"}
GROUPS = {KafkaSettings().topic(group) for group in (DETECT_GROUP, FOLLOW_UP_GROUP)}
HEADERS = {f"halt400.{name}" for name in ("error", "message", "topic", "partition", "offset", "index")}
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def spans(page: Path) -> set[str]:
    return set(_SPAN.findall(_FENCE.sub("", page.read_text())))


def exists(name: str) -> bool:
    """Whether a dotted name is a module or what is reached from one by attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(REPOSITORY))) for page in PAGES])
def test_what_a_page_names_exists(page: Path) -> None:
    paths = {span for span in spans(page) if re.fullmatch(rf"({'|'.join(ROOTS)})/[\w./*-]*(\.\w+|/)", span)}
    assert [path for path in sorted(paths) if not list(REPOSITORY.glob(path.rstrip("/")))] == []
    names = {span.removesuffix("()") for span in spans(page) if re.fullmatch(r"(halt400|streams)(\.\w+)+(\(\))?", span)}
    assert [name for name in sorted(names - TOPICS - GROUPS - HEADERS) if not exists(name)] == []
    links = {link for link in _LINK.findall(page.read_text()) if not re.match(r"[a-z]+:", link)}
    assert [link for link in sorted(links) if not (page.parent / link).exists()] == []


def test_the_drawing_of_the_architecture_names_what_its_text_names() -> None:
    page = REPOSITORY / "docs" / "architecture.md"
    drawn = re.findall(r'\["(\w+)\.(\w+)"\]', page.read_text())
    classes = {}
    for span in spans(page):
        module, _, path = re.sub(r"\.(?=[A-Z])", ":", span, count=1).partition(":")
        if path:
            name = path.partition(".")[0]
            classes[name] = getattr(import_module(module), name)
    assert len(drawn) > 5
    assert [f"{name}.{method}" for name, method in drawn if not hasattr(classes.get(name), method)] == []


def test_a_name_that_does_not_exist_is_seen() -> None:
    assert exists("streams.worker.run.run_worker")
    assert not exists("streams.worker.run.walk_worker")
    assert not exists("streams.nowhere")
