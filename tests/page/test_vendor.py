"""What is vendored is what the locks say; each lock names package, version, licence and the registry's integrity."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = sorted(REPOSITORY.glob("*/**/vendor.lock"))


@pytest.mark.parametrize("lock", [pytest.param(lock, id=str(lock.relative_to(REPOSITORY))) for lock in LOCKS])
def test_every_vendored_file_is_locked_and_has_its_licence(lock: Path) -> None:
    lines = [line.split() for line in lock.read_text().splitlines() if not line.startswith("#")]
    licences = {path.name for path in lock.parent.glob("*.LICENSE")}
    for file, package, version, licence, _path, digest, integrity in lines:
        assert digest == f"sha256-{sha256((lock.parent / file).read_bytes()).hexdigest()}", file
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", integrity)
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert package
        assert licence in ("0BSD", "MIT", "MPL-2.0")
        assert f"{file.partition('.')[0]}.LICENSE" in licences
    assert {path.name for path in lock.parent.iterdir()} == {line[0] for line in lines} | licences | {"vendor.lock"}


def test_there_are_locks() -> None:
    assert len(LOCKS) == 2
