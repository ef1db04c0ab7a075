"""Every way to connect to a broker that asks, by SDK, worker and command line, with no more rights than are listed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from halt400 import Gate, Publisher, response_event
from halt400.errors import BrokerUnavailable
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.follower import Follower
from halt400.operations import OperationPublisher
from halt400.records import Command, Operation, Scope
from halt400.signing import SIGNATURE, Right, new_key
from streams.doctor.acls import PARTS, grants_of
from streams.settings import load_settings
from tests.cli.command import run
from tests.security.issuer import TokenIssuer
from tests.security.secured_kafka import JAVAC, MSK_KEY, MSK_SECRET, PASSWORD, Authority, SecuredKafka
from tests.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.slow]

TARGET = "api.shop.example"
SECURITY_PAGE = Path(__file__).parents[2] / "docs" / "security.md"
WAYS = [
    *(
        (protocol, mechanism)
        for protocol in ("SASL_SSL", "SASL_PLAINTEXT")
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
    ),
    ("SSL", None),
]


@dataclass
class Secured:
    """The broker and its users, one for each part, with the rights of that part."""

    broker: SecuredKafka
    authority: Authority
    issuer: TokenIssuer
    certificates: dict[str, tuple[Path, Path, Path]]

    def variables(self, user: str, protocol: str, mechanism: str | None, password: str = PASSWORD) -> dict[str, str]:
        """The settings by which a user connects."""
        found = {
            "HALT400_KAFKA_BOOTSTRAP_SERVERS": self.broker.servers(protocol),
            "HALT400_KAFKA_SECURITY_PROTOCOL": protocol,
            "HALT400_KAFKA_PARTITIONS": "1",
        }
        if protocol.endswith("SSL"):
            found["HALT400_KAFKA_SSL_CA_PATH"] = str(self.authority.ca)
        if mechanism is None:
            certificate, key, _ = self.certificates[user]
            found |= {"HALT400_KAFKA_SSL_CERTIFICATE_PATH": str(certificate), "HALT400_KAFKA_SSL_KEY_PATH": str(key)}
        elif mechanism == "OAUTHBEARER":
            path = self.authority.ca.with_name(f"{user}.token")
            path.write_text(self.broker.token(user))
            way = {"TOKEN_COMMAND": f"cat {path}"} if protocol == "SASL_SSL" else {"TOKEN_PATH": str(path)}
            found |= {f"HALT400_KAFKA_SASL_{name}": value for name, value in (way | {"MECHANISM": mechanism}).items()}
        else:
            login = {"MECHANISM": mechanism, "USERNAME": user, "PASSWORD": password}
            found |= {f"HALT400_KAFKA_SASL_{name}": value for name, value in login.items()}
        return found

    def connection(self, *of: Any) -> KafkaConnection:
        """The connection that these settings make, in the SDK too."""
        return KafkaConnection.from_environment(self.variables(*of))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    issuer = TokenIssuer(tmp_path_factory.mktemp("issuer"))
    kafka = load_settings().kafka
    with SecuredKafka(authority, PARTS, issuer) as broker:
        for part in PARTS:
            broker.add_scram_user(part)
            broker.grant(part, grants_of(part, kafka))
            broker.grant(f"CN={part}", grants_of(part, kafka))
        broker.grant(MSK_KEY, grants_of("scraper", kafka))
        yield Secured(broker, authority, issuer, {part: authority.issue(part) for part in PARTS})


@pytest.fixture(scope="module")
def with_topics(secured: Secured) -> Secured:
    """The same after the installer has made the topics, by a login over TLS."""
    made = asyncio.run(run("topics", "apply", **secured.variables("installer", "SASL_SSL", "PLAIN")))
    assert made.code == 0, made.err
    return secured


def event(status: int) -> Any:
    return response_event(method="GET", url=f"https://{TARGET}/products", status=status, job_id="job-0")


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_a_scraper_publishes_and_follows(with_topics: Secured, protocol: str, mechanism: str | None) -> None:
    connection = with_topics.connection("scraper", protocol, mechanism)
    async with Publisher(connection) as publisher, Gate(connection) as gate:
        publisher.publish(event(200))
        assert await publisher.flush(30)
        assert publisher.stats.acknowledged == 1
        async with asyncio.timeout(30):
            await gate.wait_caught_up()


async def test_a_broker_that_verifies_tokens_takes_those_that_its_issuer_has_signed_for_it(
    with_topics: Secured, tmp_path: Path
) -> None:
    """By Kafka's own validator, which reads the issuer's public key from a JWKS."""
    issuer, path = with_topics.issuer, tmp_path / "token"
    variables = {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": with_topics.broker.servers("JWT"),
        "HALT400_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "HALT400_KAFKA_SSL_CA_PATH": str(with_topics.authority.ca),
        "HALT400_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "HALT400_KAFKA_SASL_TOKEN_PATH": str(path),
    }
    connection = KafkaConnection.from_environment(variables)
    wrong = {
        "of another issuer's key": TokenIssuer(tmp_path).token("scraper"),
        "not signed": with_topics.broker.token("scraper"),
        "for another audience": issuer.token("scraper", aud="another"),
        "over": issuer.token("scraper", exp=1_700_000_000, iat=1_600_000_000),
    }
    taken = [name for name, token in wrong.items() if path.write_text(token) and await is_let_in(connection)]
    assert not taken
    path.write_text(issuer.token("scraper"))
    async with Publisher(connection) as publisher, Follower(connection, "halt400.control", at_start="raise"):
        publisher.publish(event(200))
        assert await publisher.flush(30)
        assert publisher.stats.acknowledged == 1


async def is_let_in(connection: KafkaConnection) -> bool:
    """Whether the broker answers this login."""
    follower = Follower(connection, "halt400.control", at_start="raise")
    try:
        await follower.start()
    except BrokerUnavailable:
        return False
    finally:
        await follower.stop()
    return True


@pytest.mark.skipif(JAVAC is None, reason="the broker's side of it is compiled by javac")
@pytest.mark.parametrize("secret", [MSK_SECRET, "another"])
async def test_a_scraper_logs_in_to_aws_msk_by_the_tokens_of_amazons_signer(
    with_topics: Secured, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is that of docs/security.md; the broker computes the signature of each token again."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", MSK_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    [command] = re.findall(r"TOKEN_COMMAND='python (.*msk.*)'", SECURITY_PAGE.read_text())
    variables = {
        "HALT400_KAFKA_BOOTSTRAP_SERVERS": with_topics.broker.servers("MSK"),
        "HALT400_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "HALT400_KAFKA_SSL_CA_PATH": str(with_topics.authority.ca),
        "HALT400_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "HALT400_KAFKA_SASL_TOKEN_COMMAND": f"{sys.executable} {command}",
    }
    follower = Follower(KafkaConnection.from_environment(variables), "halt400.control", at_start="raise")
    if secret != MSK_SECRET:
        with pytest.raises(BrokerUnavailable):
            await follower.start()
        await follower.stop()
        return
    async with Publisher(KafkaConnection.from_environment(variables)) as publisher, follower:
        publisher.publish(event(200))
        assert await publisher.flush(30)
        assert publisher.stats.acknowledged == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_named_and_is_not_in_the_error(with_topics: Secured, mechanism: str) -> None:
    variables = with_topics.variables("operator", "SASL_SSL", mechanism, "wrong-" + PASSWORD)
    found = await run("topics", "check", **variables)
    assert found.code == 1
    assert with_topics.broker.servers("SASL_SSL") in found.err
    assert PASSWORD not in found.err
    assert "Traceback" not in found.err


async def test_a_broker_with_a_certificate_of_another_authority_is_refused(
    with_topics: Secured, tmp_path: Path
) -> None:
    variables = with_topics.variables("scraper", "SASL_SSL", "PLAIN")
    variables["HALT400_KAFKA_SSL_CA_PATH"] = str(Authority(tmp_path).ca)
    follower = Follower(KafkaConnection.from_environment(variables), "halt400.control", at_start="raise")
    with pytest.raises(BrokerUnavailable):
        await follower.start()
    await follower.stop()


def start_worker(environment: dict[str, str], log: Path, role: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "halt400", "worker", "--processes", "1", "--role", role]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)


RIGHTS: dict[str, Right] = {"worker": "commands", "operator": "operations", "scraper": "probes"}


async def forge(secured: Secured, scraper: KafkaConnection) -> None:
    """Quarantine the job again by a command that nobody signed, and by an operation that a scraper's key has signed."""
    scope = Scope(kind="job", target=TARGET, job_id="job-0")
    times: dict[str, Any] = {"opened_at": 1 << 42, "issued_at": 1 << 42, "expires_at": 1 << 43}
    command = Command(
        command_id="cmd-f",
        scope=scope,
        sequence=99,
        state="quarantined",
        reason="",
        issued_by="halt400.detect",
        **times,
    )
    options = secured.connection("worker", "SASL_PLAINTEXT", "PLAIN").client_options()
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(
            "halt400.control", msgspec.json.encode(command), key=scope.id.encode(), partition=0
        )
    async with OperationPublisher(scraper) as publisher:
        now_ms = publisher.now_ms()
        operation = Operation(
            operation_id="op-f", time=now_ms, kind="quarantine", scope=scope, actor="eve", reason="", hold_s=900
        )
        await publisher.send(operation)


async def until_refused(operator: dict[str, str], wanted: dict[str, str]) -> None:
    """Wait for a dead letter of each topic, with the reason."""
    async with asyncio.timeout(30):
        while True:
            listed = await run("dead-letters", "list", "--format", "json", **operator)
            if all(f"halt400.{topic}" in listed.out and reason in listed.out for topic, reason in wanted.items()):
                return


async def last_command(secured: Secured) -> tuple[str, bytes]:
    """State of the last command on `control`, and the begin of its signature."""
    consumer = AIOKafkaConsumer(**secured.connection("worker", "SASL_PLAINTEXT", "PLAIN").client_options())
    async with consumer:
        consumer.assign([partition := TopicPartition("halt400.control", 0)])
        consumer.seek(partition, (await consumer.end_offsets([partition]))[partition] - 1)
        record = await asyncio.wait_for(consumer.getone(), 30)
    return msgspec.json.decode(record.value, type=Command).state, dict(record.headers)[SIGNATURE][:9]


def processes(workers: "list[subprocess.Popen[bytes]]") -> str:
    """The command lines of all processes of this machine, as anybody can list them."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    assert all(str(worker.pid) in listed.split() for worker in workers)
    return listed


def metrics(log: Path) -> str:
    """The metrics of both processes."""
    addresses = re.findall(r"http://127.0.0.1:\d+/metrics", log.read_text())
    assert len(addresses) == 2, log.read_text()
    return "".join(urllib.request.urlopen(address, timeout=10).read().decode() for address in addresses)


async def test_each_part_does_its_work_with_its_rights_and_no_others(with_topics: Secured, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HALT400_")}
    keys = {part: new_key(part, right) for part, right in RIGHTS.items()}
    trusted = {"HALT400_KAFKA_SIGNING_TRUSTED": ", ".join(line for _, line in keys.values())}
    signed = {part: trusted | {"HALT400_KAFKA_SIGNING_KEY": secret} for part, (secret, _) in keys.items()}
    environment |= signed["worker"] | {
        "HALT400_ARCHIVE_URI": (tmp_path / "archive").as_uri(),
        "HALT400_API_ENABLED": "false",
        "HALT400_ARCHIVE_REDACTION_KEY": PASSWORD,
        "HALT400_METRICS_PORT": "0",
        "HALT400_CONFIG_PATH": str(tmp_path / "halt400.toml"),
    }
    (tmp_path / "halt400.toml").write_text("[alerts]\n")
    ways = {"detect": ("SSL", None), "follow-up": ("SASL_SSL", "OAUTHBEARER")}
    workers = [
        start_worker(environment | with_topics.variables("worker", *way), log, role) for role, way in ways.items()
    ]
    try:
        scraper = with_topics.variables("scraper", "SASL_SSL", "SCRAM-SHA-512")
        operator = with_topics.variables("operator", "SASL_PLAINTEXT", "SCRAM-SHA-256") | signed["operator"]
        connection = KafkaConnection.from_environment(scraper | signed["scraper"])
        async with Publisher(connection) as publisher, Gate(connection) as gate:
            publisher.publish(event(400))
            await until(lambda: gate.check(TARGET, "job-0"), explain=lambda: log.read_text()[-4000:])
            reason = ("release", f"job/{TARGET}/job-0", "--reason", "mended")
            released = await run(*reason, **operator)
            assert released.code == 0, released.err
            await until(lambda: gate.check(TARGET, "job-0") is None)
            await forge(with_topics, connection)
            await until(lambda: gate.refused_commands == 1, explain=lambda: log.read_text()[-4000:])
            assert gate.check(TARGET, "job-0") is None
            await until_refused(operator, {"control": "it is not signed", "operations": "which may write probes only"})
            assert await last_command(with_topics) == ("released", b"1 worker ")
        await until(lambda: list((tmp_path / "archive").rglob("*.har*")), explain=lambda: log.read_text()[-4000:])
        secrets = PASSWORD, keys["worker"][0].partition(":")[2], with_topics.broker.token("worker")[:40]
        shown = log.read_text() + processes(workers) + metrics(log)
        assert not [secret for secret in secrets if secret in shown]
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(60) for worker in workers] == [0, 0], log.read_text()[-4000:]
    assert "uthoriz" not in log.read_text()


@pytest.mark.parametrize(
    ("part", "topic"),
    [
        ("scraper", "control"),
        ("scraper", "offences"),
        ("scraper", "rates"),
        ("api", "control"),
        ("api", "responses"),
        ("operator", "control"),
        ("worker", "responses"),
        ("worker", "operations"),
        ("installer", "control"),
    ],
)
async def test_nobody_writes_what_is_not_theirs(with_topics: Secured, part: str, topic: str) -> None:
    options = with_topics.connection(part, "SASL_PLAINTEXT", "PLAIN").client_options()
    async with AIOKafkaProducer(**options) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(f"halt400.{topic}", b"{}", key=b"key")


@pytest.mark.parametrize(("part", "topic"), [("scraper", "responses"), ("installer", "offences")])
async def test_nobody_reads_what_is_not_theirs(with_topics: Secured, part: str, topic: str) -> None:
    options = with_topics.connection(part, "SASL_PLAINTEXT", "PLAIN").client_options()
    async with AIOKafkaConsumer(**options) as consumer:
        consumer.assign([TopicPartition(f"halt400.{topic}", 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            await asyncio.wait_for(read(consumer), 30)


async def read(consumer: AIOKafkaConsumer) -> None:
    await consumer.seek_to_beginning()
    while True:
        await consumer.getmany(timeout_ms=500)


async def test_a_scraper_sees_only_the_topics_that_it_uses(with_topics: Secured) -> None:
    options = with_topics.connection("scraper", "SASL_PLAINTEXT", "PLAIN").client_options()
    async with AIOKafkaConsumer(**options) as consumer:
        seen = {topic for topic in await consumer.topics() if topic.startswith("halt400.")}
    assert seen == {f"halt400.{name}" for name in ("control", "operations", "responses", "savings")}
