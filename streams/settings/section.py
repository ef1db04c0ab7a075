"""What every section of the settings is: frozen, and without unknown names."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """One section, such as ``HALT400_KAFKA_*``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
