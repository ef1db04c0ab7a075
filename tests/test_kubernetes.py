"""The manifests are valid for Kubernetes, run without privileges, and fit the code; the Dockerfile passes hadolint."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from streams.settings import load_settings
from tests.test_monitoring import RULES

REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / "deploy" / "kubernetes"
OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version()
OF_OTHERS = {"Kustomization", "PodMonitor"}
"""Kinds whose schemas are not Kubernetes' own."""

DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    (path.name, document) for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
OURS = [document for _, document in DOCUMENTS if document["kind"] not in OF_OTHERS]
PODS = {
    document["metadata"]["name"]: document["spec"]["template"]
    for document in OURS
    if document["kind"] in ("Deployment", "Job")
}


def find(kind: str, name: str = "halt400") -> dict[str, Any]:
    return next(found for _, found in DOCUMENTS if found["kind"] == kind and found["metadata"]["name"] == name)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("document", OURS, ids=lambda document: f"{document['kind']}-{document['metadata']['name']}")
def test_a_manifest_is_valid(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_a_wrong_manifest_is_seen() -> None:
    wrong = find("Deployment", "halt400-api") | {"spec": {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_all_parts_are_there_and_are_applied() -> None:
    assert set(PODS) == {"halt400-api", "halt400-topics", "halt400-worker"}
    kustomization = next(document for _, document in DOCUMENTS if document["kind"] == "Kustomization")
    files = {name for name, _ in DOCUMENTS} - {"kustomization.yaml", "pod-monitor.yaml"}
    assert set(kustomization["resources"]) == files
    assert {image["name"] for image in kustomization["images"]} == {
        container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]
    }


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_what_kubectl_puts_together_is_valid_and_names_the_image_of_the_kustomization() -> None:
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert sorted(found["kind"] for found in rendered) == sorted(
        found["kind"] for name, found in DOCUMENTS if name not in ("kustomization.yaml", "pod-monitor.yaml")
    )
    for document in rendered:
        kubernetes_validate.validate(document, NEWEST, strict=True)
    (image,) = next(found for _, found in DOCUMENTS if found["kind"] == "Kustomization")["images"]
    assert done.stdout.count(f"image: {image['newName']}:{image['newTag']}") == len(PODS)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_privileges_and_writes_to_volumes_only(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    user = spec["securityContext"]["runAsUser"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {user}" in (REPOSITORY / "Dockerfile").read_text()
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/tmp" in mounted
    state = find("ConfigMap")["data"]["HALT400_STATE_DIR"]
    assert name == "halt400-topics" or state in mounted
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", PODS)
def test_every_setting_exists_and_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = PODS[name]["spec"]["containers"]
    given = find("ConfigMap")["data"] | {one["name"]: one["value"] for one in container.get("env", [])}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.log.format == "json"
    ports = {port["containerPort"] for port in container.get("ports", [])}
    listens = {
        "halt400-worker": {settings.metrics.port, (settings.metrics.port or 0) + 1},
        "halt400-api": {settings.api.port},
    }
    assert ports == listens.get(name, set())
    assert f"{settings.config.path}" == "/etc/halt400/halt400.toml"


@pytest.mark.parametrize("name", ["halt400-api", "halt400-worker"])
def test_what_runs_on_has_probes_and_a_disruption_budget(name: str) -> None:
    (container,) = PODS[name]["spec"]["containers"]
    names = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in names
    budget = find("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"]
    assert budget == find("Deployment", name)["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]


def test_the_monitor_scrapes_both_processes_under_the_job_of_the_rules() -> None:
    endpoints = find("PodMonitor")["spec"]["podMetricsEndpoints"]
    (container,) = PODS["halt400-worker"]["spec"]["containers"]
    assert {endpoint["port"] for endpoint in endpoints} == {port["name"] for port in container["ports"]}
    jobs = {relabeling["replacement"] for endpoint in endpoints for relabeling in endpoint["relabelings"]}
    assert all(f'job="{job}"' in str(RULES) for job in jobs)


def test_the_dockerfile_passes_hadolint() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
