"""Builds the redactor from the settings: the key of the installation, and the rules of halt400.toml."""

from halt400.redaction import RedactionRules, Redactor
from streams.archive.redaction_key import redaction_key
from streams.settings import Settings
from streams.toml_file import TomlFile

__all__ = ["redactor_of"]


def redactor_of(settings: Settings) -> Redactor:
    """The redactor of the settings; every process of an installation replaces a secret with the same token.

    Raises
    ------
    SettingError
        halt400.toml cannot be read, a rule of its table [redaction] is wrong, or there is no key.
    """
    path = settings.config.found
    rules = RedactionRules.from_table(TomlFile.read(path).document.get("redaction", {}) if path else {})
    return Redactor(rules, redaction_key(settings.archive))
