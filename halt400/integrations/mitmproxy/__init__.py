"""Halt400 for mitmproxy: publishes and gates whatever goes through a proxy, in any language and without code.

::

    mitmdump -s "$(python -m halt400.integrations.mitmproxy)" --set halt400_job_id=extract-099

Every response of a server is published; a request that is quarantined is answered by the proxy and never reaches its
target. docs/sdk/mitmproxy.md has the options.
"""

from halt400.integrations.mitmproxy.addon import Halt400ProxyAddon

__all__ = ["Halt400ProxyAddon", "addons"]

addons = [Halt400ProxyAddon()]
"""What mitmproxy takes from a script: ``from halt400.integrations.mitmproxy import addons``."""
