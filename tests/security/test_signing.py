"""Whose signature is believed, and for what."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halt400.errors import SettingError
from halt400.kafka.connection import KafkaConnection
from halt400.operations import OperationPublisher
from halt400.records import Operation, Scope
from halt400.signing import SIGNATURE, Signing, new_key
from streams.processing.believed_operations import BelievedOperations
from streams.settings import Settings
from streams.worker.detect_process import build_detect_app

WORKER, OTHER, PERSON = new_key("w-1", "commands"), new_key("w-2", "commands"), new_key("ops", "operations")
TRUSTED = f"{WORKER[1]}, {OTHER[1]}\n{PERSON[1]}"
TOPIC = "halt400.control"


class SignedRecord(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Any


def signed(secret: str, key: bytes = b"k", value: bytes | None = b"v", topic: str = TOPIC) -> SignedRecord:
    return SignedRecord(key, value, Signing.of(secret, None).headers(topic, key, value))


def why_not(record: SignedRecord, topic: str = TOPIC, trusted: str = TRUSTED) -> str | None:
    return Signing.of(None, trusted).why_not(topic, record, "commands")


@given(st.binary(), st.none() | st.binary())
def test_what_a_trusted_key_has_signed_is_believed_and_nothing_else_with_its_signature(
    key: bytes, value: bytes | None
) -> None:
    record = signed(WORKER[0], key, value)
    assert why_not(record) is None
    other = b"" if value is None else None
    for forged in (record._replace(key=key + b"x"), record._replace(value=other), record._replace(key=b"", value=key)):
        if forged != record:
            assert why_not(forged) == "its signature is not that of 'w-1'"
    assert why_not(record, "halt400.operations") == "its signature is not that of 'w-1'"


def test_keys_are_changed_one_beside_the_other() -> None:
    assert why_not(signed(OTHER[0])) is None
    assert why_not(signed(WORKER[0]), trusted=OTHER[1]) == "it is signed by 'w-1', which is not trusted"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (None, "it is not signed"),
        ((), "it is not signed"),
        (((SIGNATURE, b""),), "which is not trusted"),
        (((SIGNATURE, b"1 w-1"),), "its signature is not"),
        (((SIGNATURE, b"1 w-1 !!"),), "its signature is not"),
        (((SIGNATURE, b"2 w-1 AAAA"),), "which is not trusted"),
        (signed(PERSON[0]).headers, "which may write operations only"),
    ],
    ids=range(7),
)
def test_anything_else_is_not_believed(headers: Any, reason: str) -> None:
    assert reason in (why_not(SignedRecord(b"k", b"v", headers)) or "")


def test_without_trusted_keys_every_record_is_believed_as_before() -> None:
    assert Signing().why_not(TOPIC, SignedRecord(b"k", b"v", ()), "commands") is None
    assert Signing().headers(TOPIC, b"k", b"v") == []


@pytest.mark.parametrize(
    ("kind", "believed_of"),
    [("release", {"ops", "w-1"}), ("quarantine", {"ops", "w-1"}), ("probe_result", {"ops", "w-1", "gates"})],
)
def test_a_key_may_write_what_a_lesser_one_may(kind: Any, believed_of: set[str]) -> None:
    """The page of a worker signs with the worker's key."""
    gates = new_key("gates", "probes")
    believed = BelievedOperations(Signing.of(None, f"{TRUSTED} {gates[1]}"), "halt400.operations", clock=lambda: 1.0)
    scope = Scope(kind="target", target="api.example")
    operation = Operation(operation_id="o", time=1_000, kind=kind, scope=scope, actor="ada", reason="-")
    keys = {"ops": PERSON[0], "w-1": WORKER[0], "gates": gates[0]}
    found = {
        name
        for name, secret in keys.items()
        if believed.why_not(signed(secret, topic="halt400.operations"), operation) is None  # type: ignore[arg-type]
    }
    assert found == believed_of


def test_an_operation_is_believed_for_an_hour() -> None:
    believed = BelievedOperations(Signing.of(None, TRUSTED), "halt400.operations", clock=lambda: 10_000.0)
    scope = Scope(kind="target", target="api.example")
    record = signed(PERSON[0], topic="halt400.operations")
    for age_s, reason in ((3_600, None), (3_700, "it was signed 61 minutes ago: send it again")):
        time_ms = (10_000 - age_s) * 1000
        operation = Operation(operation_id="o", time=time_ms, kind="release", scope=scope, actor="ada", reason="-")
        assert believed.why_not(record, operation) == reason


@pytest.mark.parametrize("text", ["w-1", "w-1:AAAA", ":AAAA", "w 1:" + WORKER[0].partition(":")[2]], ids=range(4))
def test_a_wrong_key_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(SettingError, match="HALT400_KAFKA_SIGNING_KEY is no key") as raised:
        Signing.of(text, None)
    assert text not in str(raised.value)


def test_settings_of_worker_and_sdk_are_the_same_and_secret() -> None:
    settings = Settings(kafka={"signing_key": WORKER[0], "signing_trusted": TRUSTED})
    variables = {"HALT400_KAFKA_SIGNING_KEY": WORKER[0], "HALT400_KAFKA_SIGNING_TRUSTED": TRUSTED}
    for connection in (settings.kafka.connection, KafkaConnection.from_environment(variables)):
        assert len(connection.signing.trusted) == 3
        assert connection.signing.signer is not None
    assert WORKER[0].partition(":")[2] not in f"{settings!r} {connection!r} {connection.signing!r}"


@pytest.mark.parametrize("key", [None, PERSON[0], new_key("w-1", "commands")[0]], ids=["none", "right", "other"])
def test_a_worker_whose_commands_nobody_would_believe_does_not_start(key: str | None) -> None:
    with pytest.raises(SettingError, match="with the right `commands`"):
        build_detect_app(Settings(kafka={"signing_key": key, "signing_trusted": TRUSTED}))


async def test_an_operation_that_nobody_would_believe_is_not_sent() -> None:
    publisher = OperationPublisher(KafkaConnection(signing=Signing.of(None, TRUSTED)))
    scope = Scope(kind="target", target="api.example")
    with pytest.raises(SettingError, match="operations must be signed"):
        await publisher.send(Operation(operation_id="o", time=1, kind="release", scope=scope, actor="ada", reason="-"))
