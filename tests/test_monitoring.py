"""Dashboards and rules name metrics and labels that exist, and point to what exists; promtool accepts the rules."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics

REPOSITORY = Path(__file__).parents[1]
PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
GRAFANA = REPOSITORY / "deploy" / "grafana"
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("dashboards/*.json"))}
PROMTOOL = shutil.which("promtool", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
OF_SCRAPES = {"job", "instance"}


def known() -> dict[str, set[str]]:
    """Every series that can be asked for, with its labels; those of the process are of prometheus_client."""
    found: dict[str, set[str]] = {"up": OF_SCRAPES}
    found |= {sample.name: OF_SCRAPES for family in REGISTRY.collect() for sample in family.samples}
    for name in metrics.__all__:
        metric: MetricWrapperBase = getattr(metrics, name)
        labels = OF_SCRAPES | set(metric._labelnames)
        suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}[metric._type]
        found |= {metric._name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes}
    return found | {rule["record"]: set() for rule in RULES if "record" in rule}


KNOWN = known()


def nodes(node: Any) -> Iterator[Any]:
    """A parsed expression and all that is in it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None and type(inner).__module__ == type(node).__module__:
            yield from nodes(inner)
    for argument in getattr(node, "args", None) or []:
        yield from nodes(argument)


def wrong(expression: str) -> list[str]:
    """What an expression names that does not exist."""
    found, labels = [], set[str]()
    used: set[str] = set()
    for node in nodes(promql_parser.parse(expression.replace("$target", "t").replace("$instance", "i"))):
        if isinstance(node, promql_parser.VectorSelector):
            name = node.name or ""
            if name not in KNOWN:
                found.append(name)
                continue
            labels |= KNOWN[name]
            found += [f"{name}{{{one.name}}}" for one in node.matchers.matchers if one.name not in KNOWN[name]]
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            used |= set(node.modifier.labels)
    return found + [f"by ({label})" for label in sorted(used - labels)]


EXPRESSIONS = {f"rule {rule.get('alert') or rule['record']}": rule["expr"] for rule in RULES} | {
    f"{name}: {panel['title']} {target['refId']}": target["expr"]
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
}


def test_every_metric_and_label_that_is_asked_for_exists() -> None:
    assert len(EXPRESSIONS) > 50
    assert {name: found for name, expression in EXPRESSIONS.items() if (found := wrong(expression))} == {}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(rate(halt400_event_total[5m]))", ["halt400_event_total"]),
        ('halt400_refusals_total{kind="x"}', ["halt400_refusals_total{kind}"]),
        ("sum by (code) (halt400_rows_total)", ["by (code)"]),
        ("histogram_quantile(0.9, rate(halt400_flush_seconds[5m]))", ["halt400_flush_seconds"]),
        ("topk(3, up) or absent(halt400_nothing)", ["halt400_nothing"]),
        ("halt400:bad_request_ratio:rate7m > 1", ["halt400:bad_request_ratio:rate7m"]),
        ("up unless halt400_old offset 15m", ["halt400_old"]),
    ],
)
def test_what_does_not_exist_is_found(expression: str, found: list[str]) -> None:
    assert wrong(expression) == found


def test_every_metric_of_the_service_is_shown_or_alerted_of() -> None:
    asked = " ".join(EXPRESSIONS.values())
    assert [name for name in metrics.__all__ if getattr(metrics, name)._name not in asked] == []


def test_every_alert_has_a_severity_a_summary_and_a_section_in_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", (REPOSITORY / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sections == [alert["alert"] for alert in ALERTS]
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def test_the_codes_in_the_runbook_are_those_of_dead_letters() -> None:
    page = (REPOSITORY / "docs" / "runbook.md").read_text()
    source = (REPOSITORY / "streams" / "processing" / "decoding.py").read_text()
    codes = set(re.findall(r'_refuse\(record, \w+, "(\w+)"|Refusal\(record, "(\w+)"', source))
    for code in {name for pair in codes for name in pair if name}:
        assert f"`{code}`" in page, code


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_can_be_provisioned(name: str) -> None:
    dashboard = DASHBOARDS[name]
    panels = dashboard["panels"]
    assert dashboard["uid"] == f"halt400-{name}"
    assert len({panel["id"] for panel in panels}) == len(panels)
    for first, second in combinations([panel["gridPos"] for panel in panels], 2):
        beside = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
        apart = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
        assert beside or apart, (first, second)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(panels)))
    assert used == variables
    for panel in panels:
        assert panel["type"] == "row" or (panel["targets"] and panel["datasource"]["uid"] == "${datasource}")
        for target in panel.get("targets", []):
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert labels <= OF_SCRAPES.union(*KNOWN.values()), panel["title"]


def test_compose_mounts_what_is_provisioned() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    mounts = dict(
        volume.split(":")[:2][::-1] for name in ("prometheus", "grafana") for volume in services[name]["volumes"]
    )
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "halt400.yml").read_text())["providers"][0]
    assert (REPOSITORY / mounts[provider["options"]["path"]]).resolve() == GRAFANA / "dashboards"
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (GRAFANA / "dashboards" / Path(home).name).exists()
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"][0]
    port = services["worker"]["environment"]["HALT400_METRICS_PORT"]
    assert scraped["static_configs"][0]["targets"] == [f"worker:{port}", f"worker:{port + 1}"]


@pytest.mark.slow
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: make tools, or Debian's package prometheus")
@pytest.mark.parametrize(
    "command", ["check rules rules.yml", "check config prometheus.yml", "test rules rules_test.yml"]
)
def test_promtool_accepts_them(command: str) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *command.split()], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
