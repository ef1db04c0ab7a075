import msgspec

from halt400.gate.commands import KnownCommands, TargetCommands, is_newer
from halt400.records import Command, Scope

from ..commands import JOB, TARGET, command, record

NOW_MS = 1_000_000


def on(scope: Scope, state: str = "quarantined") -> Command:
    return msgspec.structs.replace(command(state=state), scope=scope, expires_at=NOW_MS + 1)


WHOLE = on(Scope(kind="target", target=TARGET))
ONE_JOB = on(Scope(kind="job", target=TARGET, job_id=JOB))
ONE_REQUEST = on(Scope(kind="request", target=TARGET, fingerprint="f00d"))


def known(*commands: Command) -> TargetCommands:
    found = TargetCommands()
    for one in commands:
        found.set(one, one)
    return found


def test_a_scope_refuses_its_own_requests_only() -> None:
    assert known(WHOLE).in_force("other", None, NOW_MS) == (WHOLE, ())
    assert known(ONE_JOB).in_force(JOB, None, NOW_MS) == (ONE_JOB, ())
    assert known(ONE_JOB).in_force("other", None, NOW_MS) == (None, ())
    assert known(ONE_REQUEST).in_force(JOB, "f00d", NOW_MS) == (ONE_REQUEST, ())
    assert known(ONE_REQUEST).in_force(JOB, None, NOW_MS) == (None, ())


def test_a_command_is_in_force_until_it_expires() -> None:
    assert known(WHOLE).in_force(JOB, None, WHOLE.expires_at) == (None, ())


def test_a_quarantine_goes_before_a_probe_and_all_probing_scopes_are_returned() -> None:
    probing = on(WHOLE.scope, "probing")
    assert known(probing, ONE_JOB).in_force(JOB, None, NOW_MS) == (ONE_JOB, ())
    both = known(probing, on(ONE_REQUEST.scope, "probing")).in_force(JOB, "f00d", NOW_MS)
    assert (both[0], [found.scope.kind for found in both[1]]) == (None, ["target", "request"])


def test_each_change_of_a_scope_is_yielded_once_and_a_released_scope_is_dropped() -> None:
    commands = KnownCommands()
    first, again, released = (dict([record(command(*how))]) for how in ((), (), (2, "released")))
    assert [found.state for found in commands.learn(first)] == ["quarantined"]
    assert list(commands.learn(again)) == []
    assert commands.by_target[TARGET].jobs[JOB] == commands.in_force(0)[0]
    assert [found.state for found in commands.learn(released)] == ["released"]
    assert commands.by_target == {}
    assert commands.in_force(0) == []


def test_undecodable_bytes_change_nothing() -> None:
    commands = KnownCommands()
    key, value = record(command())
    list(commands.learn({key: value}))
    assert list(commands.learn({key: b"{"})) == []
    assert TARGET in commands.by_target
    assert not is_newer(value, b"{")
    assert is_newer(b"{", value)


def test_the_greater_sequence_is_newer_unless_the_other_was_issued_later() -> None:
    first, second = record(command(1))[1], record(command(2))[1]
    assert is_newer(first, second)
    assert not is_newer(second, first)
    later = msgspec.json.encode(msgspec.structs.replace(command(1), issued_at=command(2).issued_at + 1))
    assert is_newer(second, later)
