"""The guards of a proxy: one for each job that sends through it, over one publisher and one gate."""

import logging

from mitmproxy import version

from halt400.errors import BrokerUnavailable, InvalidEvent
from halt400.guard import LocalBreaker, RequestGuard, SyncGuard
from halt400.guard.owners import CATCH_UP_S
from halt400.integrations.mitmproxy.settings import Halt400Options

__all__ = ["Jobs"]

log = logging.getLogger(__name__)

MOST_JOBS = 1_000


class Jobs:
    """Guards by job; closed with `close`.

    Making one waits for what is quarantined already, some seconds at the most.

    Parameters
    ----------
    options
        Of the addon.
    """

    def __init__(self, options: Halt400Options) -> None:
        self._options = options
        self._main: SyncGuard = options.new_guard(version.VERSION)
        self._others: dict[str, RequestGuard] = {}
        try:
            is_known = self._main.gate.wait_caught_up(CATCH_UP_S)
        except BrokerUnavailable:
            is_known = False
        if not is_known:
            passes = "pass as if nothing were quarantined" if options.fail_open else "are refused"
            log.warning("Kafka was not read within %g s: requests %s until it is.", CATCH_UP_S, passes)

    def guard(self, job_id: str | None) -> RequestGuard:
        """The guard of a job; of the addon's where none is named."""
        if not job_id or job_id == self._options.job_id:
            return self._main
        found = self._others.get(job_id)
        if found is None:
            if len(self._others) >= MOST_JOBS:
                return self._main
            try:
                found = RequestGuard(
                    self._main.publisher,
                    self._main.gate,
                    job_id=job_id,
                    local_hold=LocalBreaker() if self._options.local_hold else None,
                    **self._options.guard_options(version.VERSION),
                )
            except InvalidEvent as error:
                log.warning("The proxy user %r names no job (%s).", job_id, error)
                found = self._main
            self._others[job_id] = found
        return found

    def close(self) -> None:
        """Send what is there, for a few seconds."""
        self._main.close()
