"""Several workers and one log: wherever a worker dies, the cap is never exceeded."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halt400.records import Command, Offence, Operation, Scope
from streams.detection import Finding, FleetRules
from streams.fleet_cap.log import FaultReported, GrantDecision, GrantEnded, GrantRequest, encode_fleet_record
from streams.fleet_cap.participant import UNUSED_AFTER_MS, CapParticipant
from streams.processing.decoding import Record
from streams.processing.outcome import Outcome
from streams.processing.partition import PartitionState
from tests.processing.test_partition import NOW, event, make_context

PARTITIONS = 2
CAP = FleetRules().minimum
HOLD_MS = 900_000


def name(number: int) -> str:
    return f"api-{number}.example"


def place(key: bytes) -> int:
    return int(key.removeprefix(b"api-").partition(b".")[0]) % PARTITIONS


class Kafka:
    """The topics: what stays when a worker dies."""

    def __init__(self) -> None:
        self.now = NOW
        self.fleet: list[tuple[int, bytes]] = []
        self.control: list[Command] = []
        self.findings: list[Finding] = []
        self.responses: dict[int, list[Record]] = {number: [] for number in range(PARTITIONS)}
        self.operations: dict[int, list[Record]] = {number: [] for number in range(PARTITIONS)}
        self.rows: dict[int, dict[bytes, bytes]] = {number: {} for number in range(PARTITIONS)}
        self.committed = dict.fromkeys(range(PARTITIONS), (0, 0))
        self.operation_count = 0

    def break_target(self, number: int, requests: int = 30, release: str = "4.3.0") -> None:
        log, target = self.responses[place(name(number).encode())], name(number)
        for request in range(requests):
            value = event(
                400,
                id=f"{target}-{len(log)}",
                time=self.now,
                target=target,
                job_id=f"job-{request % 2}",
                request={"method": "GET", "url": f"https://{target}/{len(log)}"},
                release=release,
            )
            log.append(Record(len(log), self.now, target.encode(), msgspec.json.encode(value)))

    def release(self, number: int) -> None:
        log, target = self.operations[place(name(number).encode())], name(number)
        self.operation_count += 1
        operation = Operation(
            operation_id=f"op-{self.operation_count}",
            time=self.now,
            kind="release",
            scope=Scope(kind="target", target=target),
            actor="ada",
            reason="mended",
        )
        log.append(Record(len(log), self.now, target.encode(), msgspec.json.encode(operation)))

    def latest(self) -> dict[str, Command]:
        found: dict[str, Command] = {}
        for command in self.control:
            known = found.get(command.scope.id)
            if known is None or command.sequence >= known.sequence:
                found[command.scope.id] = command
        return found

    def quarantined(self) -> list[str]:
        return [
            command.scope.target
            for command in self.latest().values()
            if command.scope.kind == "target" and command.state != "released"
        ]


class Worker:
    """What the engine does; it can die at every await."""

    def __init__(self, kafka: Kafka, partitions: set[int]) -> None:
        self.kafka = kafka
        self.fleet = CapParticipant("responses", PARTITIONS, place)
        self.seen_control = self.log_end = 0
        self.states: dict[int, PartitionState] = {}
        self.positions: dict[int, tuple[int, int]] = {}
        self.read_log(None)
        for number in partitions:
            self.take(number)

    def take(self, number: int) -> None:
        self.read_log(None)
        granted = make_context(partition_of=place, latest_command=self.latest_command, is_granted=self.fleet.is_granted)
        self.states[number] = PartitionState("responses", number, granted, dict(self.kafka.rows[number]))
        self.positions[number] = self.kafka.committed[number]

    def latest_command(self, scope_id: str) -> Command | None:
        return self.kafka.latest().get(scope_id)

    def read(self, number: int, dies: bool = False) -> list[Offence]:
        """Read what is new in a partition; where it dies, only a part of what follows is sent."""
        offences: list[Offence] = []
        kafka, (responses, operations) = self.kafka, self.positions[number]
        fold = kafka.responses[number][responses:]
        requested = kafka.operations[number][operations:]
        self.positions[number] = responses + len(fold), operations + len(requested)
        for outcome in (
            self.states[number].apply(fold, kafka.now),
            self.states[number].operate("operations", requested, kafka.now),
        ):
            offences += outcome.offences
            self.send(outcome, dies)
        return offences

    def send(self, outcome: Outcome, dies: bool = False) -> None:
        commands = len(outcome.commands) // 2 if dies else len(outcome.commands)
        self.kafka.control += outcome.commands[:commands]
        self.kafka.findings += outcome.findings
        for request in outcome.grant_requests[: len(outcome.grant_requests) // 2 if dies else None]:
            self.kafka.fleet.append((self.kafka.now, encode_fleet_record(request)))

    def read_log(self, records: int | None) -> None:
        """Read so many records of the fleet's log, all if None, and apply the decisions."""
        kafka = self.kafka
        for command in kafka.control[self.seen_control :]:
            if command.scope.kind == "target":
                self.fleet.set_command(command)
        self.seen_control = len(kafka.control)
        end = len(kafka.fleet) if records is None else min(len(kafka.fleet), self.log_end + records)
        decisions: list[GrantDecision] = []
        for offset in range(self.log_end, end):
            at_ms, value = kafka.fleet[offset]
            decisions += self.fleet.apply_record(offset, at_ms, value)
        self.log_end = end
        for decision in decisions:
            if decision.partition in self.states:
                self.send(
                    self.states[decision.partition].apply_grant_decision(self.fleet.as_of_now(decision), kafka.now)
                )

    def tick(self) -> None:
        kafka = self.kafka
        for state in self.states.values():
            self.send(state.tick(kafka.now))
        due = self.fleet.due_records(self.states, kafka.now)
        kafka.fleet += [(kafka.now, encode_fleet_record(record)) for _, record in due.records]
        if due.fault is not None:
            _, finding, reported = due.fault
            kafka.findings.append(finding)
            kafka.fleet.append((kafka.now, encode_fleet_record(reported)))

    def flush(self) -> None:
        for number, state in self.states.items():
            self.kafka.rows[number] |= dict(state.take_changed())
            self.kafka.committed[number] = self.positions[number]


class Cluster:
    """Two workers with a partition each; one that dies is replaced."""

    def __init__(self) -> None:
        self.kafka = Kafka()
        self.workers = [Worker(self.kafka, {number}) for number in range(PARTITIONS)]
        self.expelled: list[Worker | None] = [None] * PARTITIONS

    def kill(self, number: int) -> None:
        self.workers[number] = Worker(self.kafka, {number})

    def expel(self, number: int) -> None:
        """It is replaced, and does not know it yet: a stale member."""
        self.expelled[number] = self.workers[number]
        self.kill(number)

    def act_expelled(self, number: int) -> None:
        """The expelled worker goes on as before, but its commits and rows are refused."""
        worker = self.expelled[number]
        if worker is not None:
            worker.read(number)
            worker.read_log(None)
            worker.tick()

    def settle(self, rounds: int = 3) -> None:
        """Let everything be read and carried out, in time that passes."""
        for _ in range(rounds):
            self.kafka.now += 1_000
            for number, worker in enumerate(self.workers):
                worker.read(number)
            for worker in self.workers:
                worker.tick()
            for worker in self.workers:
                worker.read_log(None)
                worker.flush()

    def faults(self) -> list[Finding]:
        return [finding for finding in self.kafka.findings if finding.kind == "fleet_fault"]


def records(kafka: Kafka, kind: Any) -> Iterator[Any]:
    decode = msgspec.json.Decoder(GrantRequest | FaultReported).decode
    for _, value in kafka.fleet:
        if msgspec.json.decode(value)["type"] == kind.__struct_config__.tag:
            yield decode(value)


def test_many_targets_that_break_at_once_on_two_workers_stop_at_the_cap_with_one_finding() -> None:
    cluster = Cluster()
    for number in range(8):
        cluster.kafka.break_target(number)
    cluster.settle()
    assert len(cluster.kafka.quarantined()) == CAP
    (fault,) = cluster.faults()
    assert fault.severity == "page"
    assert len(fault.targets) == 8
    assert len(list(records(cluster.kafka, FaultReported))) == 1


def test_the_400_that_led_to_the_request_for_a_grant_opens_and_is_archived() -> None:
    cluster = Cluster()
    cluster.kafka.break_target(0)
    offences = cluster.workers[0].read(0)
    cluster.settle()
    (quarantined,) = [command for command in cluster.kafka.control if command.scope.kind == "target"]
    (requesting,) = [offence for offence in offences if offence.source == quarantined.source]
    assert (requesting.opens, requesting.archive_uri) == (True, quarantined.archive_uri)


def test_later_workers_know_what_was_granted_and_that_the_guard_tripped() -> None:
    cluster = Cluster()
    for number in range(5):
        cluster.kafka.break_target(number)
    cluster.settle()
    quarantined = cluster.kafka.quarantined()
    for number in range(PARTITIONS):
        cluster.kill(number)
    for number in range(5, 10):
        cluster.kafka.break_target(number)
    cluster.settle()
    assert (cluster.kafka.quarantined(), len(cluster.faults())) == (quarantined, 1)


def test_after_a_restart_the_finding_still_compares_with_healthy_jobs() -> None:
    cluster = Cluster()
    for number in range(10, 30):
        cluster.kafka.break_target(number, requests=1, release="4.2.0")
    cluster.settle()
    for number in range(PARTITIONS):
        cluster.kill(number)
    for number in range(5):
        cluster.kafka.break_target(number)
    cluster.settle()
    (fault,) = cluster.faults()
    assert (fault.attribute, fault.value, fault.coverage_ratio) == ("release", "4.3.0", 1.0)


def test_a_grant_whose_worker_died_before_it_was_applied_is_applied_by_the_next_one() -> None:
    cluster = Cluster()
    cluster.kafka.break_target(0)
    cluster.workers[0].read(0)
    cluster.workers[0].flush()
    assert (len(list(records(cluster.kafka, GrantRequest))), cluster.kafka.quarantined()) == (1, [])
    cluster.kill(0)
    cluster.workers[0].tick()
    assert cluster.kafka.quarantined() == [name(0)]


def test_a_request_whose_row_was_lost_is_sent_again_and_granted_once() -> None:
    cluster = Cluster()
    cluster.kafka.break_target(0)
    cluster.workers[0].read(0)
    cluster.kill(0)
    cluster.settle()
    first, second = records(cluster.kafka, GrantRequest)
    assert first == second
    assert [c.sequence for c in cluster.kafka.control if c.scope.kind == "target"] == [1]


def test_a_quarantine_whose_row_was_lost_is_not_issued_twice() -> None:
    cluster = Cluster()
    cluster.kafka.break_target(0)
    cluster.workers[0].read(0)
    cluster.workers[0].flush()
    cluster.workers[0].read_log(None)
    assert cluster.kafka.quarantined() == [name(0)]
    cluster.kill(0)
    cluster.settle()
    assert [c.sequence for c in cluster.kafka.control if c.scope.kind == "target"] == [1]


def test_a_target_released_before_the_next_worker_applies_the_decision_stays_released() -> None:
    cluster = Cluster()
    cluster.kafka.break_target(0)
    cluster.workers[0].read(0)
    cluster.workers[0].flush()
    cluster.workers[0].read_log(None)
    assert cluster.kafka.quarantined() == [name(0)]
    cluster.kill(0)
    cluster.kafka.release(0)
    cluster.settle()
    assert cluster.kafka.quarantined() == []


def test_a_release_makes_room_after_a_while() -> None:
    cluster = Cluster()
    for number in range(3):
        cluster.kafka.break_target(number)
    cluster.settle()
    cluster.kafka.release(1)
    cluster.settle(2 + UNUSED_AFTER_MS // 1_000)
    cluster.kafka.break_target(4)
    cluster.settle()
    assert sorted(cluster.kafka.quarantined()) == [name(0), name(2), name(4)]
    assert cluster.faults() == []


def test_an_expired_quarantine_makes_room() -> None:
    cluster = Cluster()
    for number in range(3):
        cluster.kafka.break_target(number)
    cluster.settle()
    for _ in range(3):  # probing, then expired
        cluster.kafka.now += HOLD_MS
        cluster.settle()
    assert cluster.kafka.quarantined() == []
    cluster.kafka.break_target(5)
    cluster.settle()
    assert cluster.kafka.quarantined() == [name(5)]


def test_quarantines_from_before_there_was_a_log_are_counted() -> None:
    before = Cluster()
    for number in range(3):
        before.kafka.break_target(number)
    before.settle()
    before.kafka.fleet.clear()
    after = Cluster()
    after.kafka.control, after.kafka.rows, after.kafka.committed, after.kafka.responses = (
        before.kafka.control,
        before.kafka.rows,
        before.kafka.committed,
        before.kafka.responses,
    )
    for number in range(PARTITIONS):
        after.kill(number)
    after.settle()
    after.kafka.break_target(3)
    after.settle()
    assert sorted(after.kafka.quarantined()) == [name(0), name(1), name(2)]


def test_an_expelled_worker_grants_nothing_of_its_own() -> None:
    cluster = Cluster()
    cluster.expel(0)
    for number in range(4):
        cluster.kafka.break_target(number)
    cluster.settle()
    for number in range(4, 8):
        cluster.kafka.break_target(number)
    cluster.act_expelled(0)
    cluster.settle()
    assert len(cluster.kafka.quarantined()) == CAP


STEPS_OF_A_WORKER = ["read", "read the log", "tick", "flush", "kill", "die in the middle", "expel", "act expelled"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("break"), st.integers(0, 6)),
        st.tuples(st.just("release"), st.integers(0, 6)),
        st.tuples(st.sampled_from(STEPS_OF_A_WORKER), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.integers(1, 3)),
    ),
    min_size=5,
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_wherever_a_worker_dies_the_cap_is_kept_and_a_trip_has_one_finding_id(
    steps: list[tuple[str, int]],
) -> None:
    cluster = Cluster()
    kafka = cluster.kafka
    for number in range(3):
        kafka.break_target(number)
    for what, number in steps:
        match what:
            case "break":
                kafka.break_target(number)
            case "release":
                kafka.release(number)
            case "read":
                cluster.workers[number].read(number)
            case "read the log":
                cluster.workers[number].read_log(2)
            case "tick":
                cluster.workers[number].tick()
            case "flush":
                cluster.workers[number].flush()
            case "kill":
                cluster.kill(number)
            case "die in the middle":
                cluster.workers[number].read(number, dies=True)
                cluster.kill(number)
            case "expel":
                cluster.expel(number)
            case "act expelled":
                cluster.act_expelled(number)
            case "wait":
                kafka.now += number * 20_000
                cluster.expelled = [None] * PARTITIONS  # by then they know it
        assert len(kafka.quarantined()) <= CAP
    cluster.settle()
    assert len(kafka.quarantined()) <= CAP
    reported = {record.tripped_at for record in records(kafka, FaultReported)}
    assert len({fault.finding_id for fault in cluster.faults()}) == len(reported)


def test_a_worker_that_does_not_know_a_grant_ends_it_late_and_never_while_it_is_used() -> None:
    fleet = CapParticipant("responses", PARTITIONS, place)
    stale = {0: PartitionState("responses", 0, make_context(partition_of=place))}
    request = GrantRequest(target=name(0), grant_id="w", partition=0, rules=FleetRules())
    fleet.apply_record(0, NOW, encode_fleet_record(request))
    ends = [
        (wait_ms, record)
        for wait_ms in (0, 1_000, UNUSED_AFTER_MS - 1, UNUSED_AFTER_MS)
        for _, record in fleet.due_records(stale, NOW + wait_ms).records
        if isinstance(record, GrantEnded)
    ]
    assert ends == [(UNUSED_AFTER_MS, GrantEnded(target=name(0), grant_id="w"))]
    cluster = Cluster()
    cluster.kafka.break_target(0)
    cluster.settle()
    fleet.set_command(cluster.kafka.latest()[f"target/{name(0)}"])
    later = fleet.due_records(stale, NOW + 9 * UNUSED_AFTER_MS).records
    assert not [record for _, record in later if isinstance(record, GrantEnded)]
