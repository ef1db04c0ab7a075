"""How long the broker may hold a fetch for which it has no record yet.

aiokafka sends one fetch at a time to each broker, without the partitions whose records are not taken yet. New records
of those wait until the broker answers, so such a fetch is short. One that names every partition of its broker is
answered by any new record, and costs least where it is long.
"""

from typing import Any, cast

__all__ = ["FETCH_MAX_WAIT_MS", "GATHERED_BYTES", "GATHERING_WAIT_MS", "LONG_WAIT_MS", "choose_waits"]

FETCH_MAX_WAIT_MS = 50
"""The wait of a fetch that leaves out a partition: for Faust's 1.5 s a burst on it would not be seen."""
LONG_WAIT_MS = 250
"""The wait of a fetch of all partitions after one that brought nothing. It bounds what a seek waits for."""

GATHERED_BYTES = 64 * 1024
GATHERING_WAIT_MS = 200
"""Where nothing is in a hurry the broker gathers so many bytes for an answer, or waits so long: a fold, its tasks and
its syncs cost as much for one record as for many."""


def choose_waits(fetcher: Any) -> None:
    """Let a fetcher of aiokafka choose the wait of each fetch."""
    actions_of, waits = fetcher._get_actions_per_node, _Waits(fetcher)

    def get_actions(assignment: Any) -> Any:
        actions = actions_of(assignment)
        for node_id, request in actions[0]:
            request._max_wait_ms = waits.of(assignment, node_id, request)
        return actions

    fetcher._get_actions_per_node = get_actions


class _Waits:
    """Remembers of each broker's last fetch which positions it asked for: the same again, it has brought nothing."""

    def __init__(self, fetcher: Any) -> None:
        self._fetcher = fetcher
        self._asked: dict[int, set[tuple[str, int, int]]] = {}

    def of(self, assignment: Any, node_id: int, request: Any) -> int:
        asked = {(topic, place[0], place[1]) for topic, places in request.topics for place in places}
        before, self._asked[node_id] = self._asked.get(node_id), asked
        if asked != before:
            return cast(int, self._fetcher._fetch_max_wait_ms)
        replica_of = self._fetcher._select_read_replica
        theirs = sum(replica_of(tp) == node_id for tp in assignment.tps)
        return LONG_WAIT_MS if len(asked) == theirs else cast(int, self._fetcher._fetch_max_wait_ms)
