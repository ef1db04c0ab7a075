"""The policies of `halt400.toml`, read at the start and again whenever the file has changed."""

import logging

from halt400.errors import SettingError
from halt400.plural import plural
from streams.detection import Policies, Rule, parse_policies
from streams.settings import DEFAULT_CONFIG_PATH, Settings

__all__ = ["PolicyFile"]

log = logging.getLogger("halt400.worker")


class PolicyFile:
    """Reads the policies of one file, and keeps the last valid ones.

    Parameters
    ----------
    settings
        `config.path` names the file, which must exist; without it, ``halt400.toml`` in the working directory is read if
        it exists. What the file does not set comes from the other settings.

    Raises
    ------
    SettingError
        The file cannot be read, or something in it is wrong; names the line.

    Attributes
    ----------
    policies
        Those in force.
    """

    def __init__(self, settings: Settings) -> None:
        detection = settings.detection
        self._required = settings.config.path is not None
        self._path = settings.config.path or DEFAULT_CONFIG_PATH
        hold_s = max(1, round(detection.hold_s))
        self._default = Rule(
            hold_s=hold_s, hold_cap_s=max(Rule().hold_cap_s, hold_s), old_news_s=max(0, round(detection.old_news_s))
        )
        self._seen = self._stamp()
        self.policies = self._read()

    @property
    def file(self) -> str | None:
        """The file that is read; None where it is not there."""
        return str(self._path) if self._seen is not None else None

    def current(self) -> Policies:
        """The policies in force."""
        return self.policies

    def refresh(self) -> bool:
        """Read the file again if it has changed; where it is wrong, that is logged and the policies stay.

        Returns
        -------
        bool
            Whether other policies are in force than before.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            policies = self._read()
        except SettingError as error:
            log.error("The policies do not change: %s", error)
            return False
        changed, self.policies = policies != self.policies, policies
        if changed:
            log.info("%s was read again: %s in force.", self._path, plural(len(policies.rules), "rule"))
        return changed

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Policies:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if not self._required:
                return Policies(default=self._default)
            raise SettingError(
                f"HALT400_CONFIG_PATH={self._path}: there is no such file.", "Name a file that exists."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{self._path} cannot be read: {error}.", "Make it a readable UTF-8 file.") from error
        return parse_policies(text, str(self._path), self._default)
