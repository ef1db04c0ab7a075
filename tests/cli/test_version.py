from importlib import metadata

from typer.testing import CliRunner

from halt400.cli.app import build


def test_the_version_is_that_of_the_installed_package() -> None:
    result = CliRunner().invoke(build(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"halt400 {metadata.version('halt400')}\n")
