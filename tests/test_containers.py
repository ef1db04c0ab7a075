"""The containers fit the code: settings that exist, the Kafka of the pom, loopback ports, health before dependence."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from streams.api.access.access import token_book
from streams.settings import load_settings

REPOSITORY = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "halt400")
JOBS = ("bucket", "demo", "topics")


def environment(service: str) -> dict[str, str]:
    """A service's environment as a shell without variables of its own gives it."""
    return {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
        for name, value in SERVICES[service]["environment"].items()
    }


def test_all_parts_are_there() -> None:
    assert set(SERVICES) == {"kafka", "s3", "bucket", "topics", "worker", "demo", "prometheus", "grafana"}
    assert OURS == ["bucket", "demo", "topics", "worker"]


@pytest.mark.parametrize("service", OURS)
def test_every_setting_exists_and_is_accepted(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.archive.uri.startswith("s3://")
    assert settings.archive.endpoint_url == "http://s3:7070"


def test_the_bucket_job_is_python_that_parses() -> None:
    *_, script = SERVICES["bucket"]["entrypoint"]
    compile(script, "bucket", "exec")


def test_kafka_is_the_version_of_the_local_one() -> None:
    pom = (REPOSITORY / "streams" / "local" / "artifacts" / "kafka" / "pom.xml").read_text()
    version = re.search(r"<kafka\.version>(.*?)</kafka\.version>", pom)
    assert version is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_kafka_makes_no_topic_by_accident_and_takes_large_events() -> None:
    kafka = environment("kafka")
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert int(kafka["KAFKA_MESSAGE_MAX_BYTES"]) == int(kafka["KAFKA_REPLICA_FETCH_MAX_BYTES"]) == 16 << 20


def test_worker_and_s3_server_sign_with_the_same_keys() -> None:
    server, worker = environment("s3"), environment("worker")
    assert server["ROOT_ACCESS_KEY"] == worker["HALT400_ARCHIVE_ACCESS_KEY_ID"]
    assert server["ROOT_SECRET_KEY"] == worker["HALT400_ARCHIVE_SECRET_ACCESS_KEY"]


def test_the_token_of_the_workers_commands_may_operate(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("worker").items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.api.token is not None
    token = token_book(settings.api).recognize(settings.api.token.get_secret_value())
    assert token is not None
    assert (token.name, token.role) == ("compose", "operate")


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_the_loopback_interface_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned(service: str) -> None:
    image = SERVICES[service]["image"]
    assert "build" in SERVICES[service] or re.search(r":v?\d+\.\d+\.\d+$", image), image


@pytest.mark.parametrize("service", sorted(set(SERVICES) - set(JOBS)))
def test_what_runs_on_has_a_health_check_and_comes_back(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_starts_before_what_it_needs_is_healthy_or_done(service: str) -> None:
    for needed, how in SERVICES[service].get("depends_on", {}).items():
        done = needed in JOBS
        assert how["condition"] == ("service_completed_successfully" if done else "service_healthy")


def test_the_demonstration_and_the_dashboards_run_only_when_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"demo": ["demo"], "prometheus": ["monitoring"], "grafana": ["monitoring"]}


@pytest.mark.parametrize("service", [*OURS, "prometheus", "grafana"])
def test_our_containers_have_no_privileges(service: str) -> None:
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_the_image_is_built_from_pinned_packages_and_does_not_run_as_root() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    assert any("--require-hashes -r requirements-service.lock" in line for line in lines)
    assert "USER 10400" in lines


def test_the_compose_file_is_one() -> None:
    assert set(PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).services or ()) == set(SERVICES)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("healthcheck", "helthcheck", "`helthcheck` does not start"),
        ("service_healthy", "service_helthy", "unknown variant `service_helthy`"),
        ("127.0.0.1:9094:9094", "127.0.0.1:x:9094", "parsing `x` as an integer"),
    ],
)
def test_a_wrong_compose_file_is_seen(right: str, wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        PyCompose.from_yaml(yaml.safe_dump(COMPOSE).replace(right, wrong, 1))


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="Docker Compose is not installed",
)
@pytest.mark.parametrize("profile", [[], ["--profile", "demo"], ["--profile", "monitoring"]], ids="-".join)
def test_docker_compose_accepts_the_file(profile: list[str]) -> None:
    command = ["docker", "compose", "--file", str(REPOSITORY / "docker-compose.yml"), *profile, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
