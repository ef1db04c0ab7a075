"""The settings: one frozen tree, read once from the environment; `catalogue` lists them for people."""

from streams.settings.environment import (
    DEFAULT_CONFIG_PATH,
    PREFIX,
    ApiSettings,
    ArchiveSettings,
    ConfigSettings,
    DetectionSettings,
    KafkaSettings,
    LogSettings,
    MetricsSettings,
    Settings,
    TracesSettings,
    WorkerSettings,
    load_settings,
)

__all__ = [
    "DEFAULT_CONFIG_PATH",
    "PREFIX",
    "ApiSettings",
    "ArchiveSettings",
    "ConfigSettings",
    "DetectionSettings",
    "KafkaSettings",
    "LogSettings",
    "MetricsSettings",
    "Settings",
    "TracesSettings",
    "WorkerSettings",
    "load_settings",
]
