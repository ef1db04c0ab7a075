"""The key of the tokens that stand for secrets: that of the settings, else one of this machine's own, made once."""

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from halt400.errors import SettingError
from halt400.redaction import KEY_MIN_BYTES
from streams.settings import ArchiveSettings

__all__ = ["key_path", "redaction_key", "state_dir", "warn_of_own_key"]

log = logging.getLogger("halt400.archive")

VARIABLE = "HALT400_ARCHIVE_REDACTION_KEY"
MEND = f"Set {VARIABLE}, or {VARIABLE}_FILE, to the output of `openssl rand -hex 32`."


def state_dir() -> Path:
    """Where this machine's own state is: ``HALT400_STATE_DIR``, or ``halt400`` in the user's state directory (XDG)."""
    chosen = os.environ.get("HALT400_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state").absolute() / "halt400"


def key_path() -> Path:
    """The file of this machine's own key."""
    return state_dir() / "redaction.key"


def redaction_key(archive: ArchiveSettings) -> bytes:
    """The key; where none is set, the one in `key_path`, made on the first call and readable by its owner only.

    Whoever knows the key can try out which secret a token stands for, so it is never printed, and there is no default.

    Raises
    ------
    SettingError
        None is set, and this machine's own cannot be kept, is readable by others, or is too short.
    """
    if archive.redaction_key is not None:
        return archive.redaction_key.get_secret_value().encode()
    path = key_path()
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise SettingError(f"The redaction key {path} can be read by others.", f"Run `chmod 600 {path}`.")
        key = path.read_bytes().strip()
    except (OSError, RuntimeError) as error:
        raise SettingError(f"There is no redaction key, and none can be kept in {path} ({error}).", MEND) from error
    if len(key) < KEY_MIN_BYTES:
        raise SettingError(f"The redaction key in {path} is shorter than {KEY_MIN_BYTES} bytes.", MEND)
    return key


def warn_of_own_key(archive: ArchiveSettings) -> None:
    """Say that workers on other machines need this machine's own key, where they share an archive."""
    if archive.redaction_key is None and archive.uri.startswith("s3:"):
        log.warning(
            "Secrets are replaced with this machine's own key, %s. Workers on other machines need the same one: give "
            "it to them as %s_FILE, or the tokens of one secret differ.",
            key_path(),
            VARIABLE,
        )


def _make(path: Path) -> None:
    """Make the file whole, or leave the one that another process has made meanwhile."""
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
            log.info("A redaction key was made in %s. Keep it: with another, archives cannot be compared.", path)
    finally:
        temporary.unlink()
