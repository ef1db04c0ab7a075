"""Builds the native extension into the wheel where there is a C compiler; without one the wheel is pure Python.

``python hatch_build.py`` builds it in place, as an editable installation does.
"""

import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

SOURCE = Path("streams/packed/_native.c")
LIBRARY = "_native.abi3.so"
"""The stable ABI of Python 3.11: one build serves that and every later version."""


_MAC_FLAGS = ["-arch", platform.machine(), "-mmacosx-version-min=11.0"] if sys.platform == "darwin" else []


class NativeExtension(BuildHookInterface[Any]):
    """The build hook of hatchling."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension, in place for an editable installation."""
        root = Path(self.root)
        library = root / (SOURCE.parent if version == "editable" else "build") / LIBRARY
        reason = build(root / SOURCE, library)
        if reason is not None:
            print(f"halt400 is built without its native extension: {reason}", file=sys.stderr)  # noqa: T201
        elif version != "editable":
            build_data["force_include"][str(library)] = str(SOURCE.with_name(LIBRARY))
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{_platform()}"


def build(source: Path, library: Path, *flags: str) -> str | None:
    """Compile `source` to `library`, with more flags of the compiler; why not, None where it is built."""
    link = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it is for CPython with its global lock"
    if not link or shutil.which(link[0]) is None:
        return f"there is no C compiler {link[0] if link else ''}".rstrip()
    position = shlex.split(sysconfig.get_config_var("CCSHARED") or "") + _MAC_FLAGS
    includes = {f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")}
    library.parent.mkdir(parents=True, exist_ok=True)
    options = ["-std=c11", "-O3", "-DNDEBUG", "-fvisibility=hidden", *position, *includes, *flags]
    command = [*link, *options, str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no output"]
    return errors[0]


def _platform() -> str:
    """The tag of this platform, before a wheel is repaired to be one of many Linuxes."""
    if _MAC_FLAGS:
        return f"macosx_11_0_{platform.machine()}"
    found = (tag.platform for tag in sys_tags())
    return next(name for name in found if not name.startswith(("manylinux", "musllinux")))


if __name__ == "__main__":
    reason = build(SOURCE, SOURCE.with_name(LIBRARY))
    print(reason or f"{SOURCE.with_name(LIBRARY)} is built.")  # noqa: T201
    sys.exit(reason is not None)
