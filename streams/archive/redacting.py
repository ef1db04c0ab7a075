"""The redaction that the settings ask for: the installation's key, the rules of halt400.toml."""

from halt400.redaction import Redactor, Rules
from streams.alerts.toml_source import TomlSource
from streams.archive.redaction_key import redaction_key
from streams.settings import Settings

__all__ = ["redactor_of"]


def redactor_of(settings: Settings) -> Redactor:
    """The redactor of the settings; every process of an installation makes the same tokens.

    Raises
    ------
    SettingError
        halt400.toml cannot be read, a rule of its table [redaction] is wrong, or there is no key.
    """
    path = settings.config.found
    rules = Rules.from_table(TomlSource.read(path).document.get("redaction", {}) if path else {})
    return Redactor(rules, redaction_key(settings.archive))
