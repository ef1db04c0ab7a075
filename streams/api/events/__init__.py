"""Live updates: what changes in the read model, as server-sent events for many listeners."""

from streams.api.events.hub import EventHub
from streams.api.events.listener import Listener

__all__ = ["EventHub", "Listener"]
