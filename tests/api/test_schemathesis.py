"""Schemathesis sends a worker operations and what-if questions, those that the OpenAPI document allows and others."""

from pathlib import Path

import pytest

from streams.api.access import new_token
from tests.worker.conftest import Cluster, cluster  # noqa: F401

from .schemathesis_run import NEED_A_WORKER, check_api

TOKEN, ENTRY = new_token("schemathesis", "operate")
SETTINGS = {
    "HALT400_API_TOKENS": ENTRY.entry,
    "HALT400_API_REQUESTS_PER_S": "100000",
    "HALT400_API_CHANGES_PER_S": "100000",
}


@pytest.mark.slow
async def test_schemathesis_finds_nothing_in_a_worker(cluster: Cluster, tmp_path: Path) -> None:  # noqa: F811
    cluster.start_worker("--role", "detect", **SETTINGS)
    await cluster.until(lambda: "Ready: " in cluster.log_text() and cluster.api_url())
    ours = [argument for name in NEED_A_WORKER for argument in ("--include-operation-id", name)]
    await check_api(cluster.api_url() or "", tmp_path, "--header", f"Authorization: Bearer {TOKEN}", *ours)
    assert "Traceback" not in cluster.log_text()
