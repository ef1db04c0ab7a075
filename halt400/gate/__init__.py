"""The gate: refuses requests of quarantined scopes, takes part in probes, and counts the requests not sent."""

from halt400.gate.gate import Gate

__all__ = ["Gate"]
