"""The fleet cap over two worker processes on the real broker, and after both are killed."""

import re
from collections.abc import Iterable

import msgspec

from halt400.records import Command
from streams.detection import Finding
from streams.processing.target import TrackedTarget
from tests.worker.conftest import PARTITIONS, Cluster
from tests.worker.test_lifecycle import event

CAP = 3
BROKEN = [f"broken-{number}.example" for number in range(10)]
LATE = [f"late-{number}.example" for number in range(4)]
HEALTHY = [f"healthy-{number}.example" for number in range(10)]
JOBS = 2


def answered(status: int, target: str, release: str, job: int) -> tuple[bytes, bytes]:
    """One answer to a job of the target's own; every job has requests of a shape of its own, and a pool of two."""
    key, value = event(status, target, f"{target}-job-{job}", path=("prices", "orders")[job])
    found = msgspec.json.decode(value)
    found["request"]["headers"] = [["accept", "application/json"]]
    return key, msgspec.json.encode(found | {"release": release, "proxy": {"id": "p", "pool": f"pool-{job}"}})


def breaks(targets: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """All break at once: their 400s take turns."""
    targets = list(targets)
    return [answered(400, target, "5.0.0", number % JOBS) for number in range(40) for target in targets]


async def two_workers(cluster: Cluster) -> None:
    """Start two workers, and wait until each has its share of the partitions."""
    first = len(cluster.logs)
    for _ in range(2):
        cluster.start_worker("--role", "detect")

    def shared() -> bool:
        lines = [re.findall(r"Ready: partitions (.*) of", log.read_text()) for log in cluster.logs[first:]]
        assigned = [ready[-1].split(", ") if ready else ["none"] for ready in lines]
        return ["none"] not in assigned and sum(map(len, assigned)) == PARTITIONS

    await cluster.until(shared)


async def states(cluster: Cluster) -> dict[str, TrackedTarget]:
    """Each target, decoded from its row on the changelog."""
    rows: dict[str, bytes] = {}
    for record in await cluster.read("rates"):
        rows[(record.key or b"").decode()] = record.value or b""
    return {target: TrackedTarget.decode(value, target) for target, value in rows.items()}


async def quarantined_targets(cluster: Cluster) -> list[Command]:
    found = [command for command in await cluster.commands() if command.scope.kind == "target"]
    return sorted(found, key=lambda command: (command.issued_at, command.scope.id))


async def faults(cluster: Cluster) -> list[Finding]:
    return [finding for finding in await cluster.findings() if finding.kind == "fleet_fault"]


async def test_two_workers_stop_together_at_the_cap_with_one_finding_and_still_do_after_they_are_killed(
    cluster: Cluster,
) -> None:
    async def healthy_jobs_are_known() -> bool:
        known = await states(cluster)
        unknown = [
            target
            for target in HEALTHY
            if target not in known
            or sum(job.origin.release == "4.2.1" for job in known[target].state.jobs.values()) < JOBS
        ]
        # Only a few answers of each poll are decoded whole.
        await cluster.publish(answered(200, target, "4.2.1", job) for target in unknown for job in range(JOBS))
        return not unknown

    async def all_grants_decided(targets: list[str]) -> bool:
        known = await states(cluster)
        found = [known[target].state for target in targets if target in known]
        return len(found) == len(targets) and all(
            state.alarm.requested_at and state.pending_grant is None for state in found
        )

    await two_workers(cluster)
    await cluster.until(healthy_jobs_are_known)
    await cluster.publish(breaks(BROKEN))
    await cluster.until(lambda: faults(cluster))
    await cluster.until(lambda: all_grants_decided(BROKEN))
    quarantined = await quarantined_targets(cluster)
    assert len(quarantined) == len({command.scope.target for command in quarantined}) == CAP
    assert {(command.state, command.issued_by) for command in quarantined} == {("quarantined", "halt400.detect")}
    (fault,) = await faults(cluster)
    assert (fault.severity, fault.attribute, fault.value, fault.coverage_ratio) == ("page", "release", "5.0.0", 1.0)
    assert fault.lift is not None
    assert fault.lift >= 1.5
    assert {command.scope.target for command in quarantined} < set(fault.targets) <= set(BROKEN)

    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    await two_workers(cluster)
    await cluster.publish(breaks(LATE))
    await cluster.until(lambda: all_grants_decided(LATE))
    await cluster.until_idle()
    assert await quarantined_targets(cluster) == quarantined
    assert await faults(cluster) == [fault]
