"""The key of the tokens that replace secrets: from the settings, or one that is created once for this machine."""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from halt400.errors import SettingError
from halt400.redaction import KEY_MIN_BYTES
from halt400.state_dir import state_dir
from streams.settings import ArchiveSettings

__all__ = ["key_path", "redaction_key", "warn_of_own_key"]

log = logging.getLogger("halt400.archive")

VARIABLE = "HALT400_ARCHIVE_REDACTION_KEY"
MEND = f"Set {VARIABLE}, or {VARIABLE}_FILE, to the output of `openssl rand -hex 32`."


def key_path() -> Path:
    """The file with the key of this machine."""
    return state_dir() / "redaction.key"


def redaction_key(archive: ArchiveSettings) -> bytes:
    """The key of the settings; where none is set, the one in `key_path`, which the first call creates.

    Whoever knows the key can guess secrets and compare their tokens. So it is never printed, there is no default, and
    only the owner can read the file.

    Raises
    ------
    SettingError
        No key is set, and the file cannot be written or read, is readable by others, or has too short a key.
    """
    if archive.redaction_key is not None:
        return archive.redaction_key.get_secret_value().encode()
    path = key_path()
    try:
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            raise SettingError(f"The redaction key {path} can be read by others.", f"Run `chmod 600 {path}`.")
        key = path.read_bytes().strip()
    except (OSError, RuntimeError) as error:
        raise SettingError(
            f"There is no redaction key, and {path} cannot be written or read ({error}).", MEND
        ) from error
    if len(key) < KEY_MIN_BYTES:
        raise SettingError(f"The redaction key in {path} is shorter than {KEY_MIN_BYTES} bytes.", MEND)
    return key


def warn_of_own_key(archive: ArchiveSettings) -> None:
    """Warn where several machines may share an archive and the key is this machine's own."""
    if archive.redaction_key is None and archive.uri.startswith("s3:"):
        log.warning(
            "The redaction key is that of this machine, %s. Workers on other machines need the same key, or one secret "
            "gets different tokens: give it to them as %s_FILE.",
            key_path(),
            VARIABLE,
        )


def _create(path: Path) -> None:
    """Create the file atomically; a file that another process created meanwhile stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_hex(32)}\n")
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
            log.info("A redaction key was created in %s. Keep it: tokens of different keys cannot be compared.", path)
    finally:
        temporary.unlink()
