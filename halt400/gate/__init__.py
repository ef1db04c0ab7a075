"""The gate: refuses the requests of quarantined scopes, takes part in probes, and reports what it did not send."""

from halt400.gate.gate import Gate

__all__ = ["Gate"]
