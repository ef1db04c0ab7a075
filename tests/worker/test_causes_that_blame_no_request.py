"""From a 400 that is about no request to its command and its alert: one case of each such cause, on the real broker."""

import time
from typing import Any

import msgspec

from tests.cli.command import run
from tests.worker.conftest import Cluster
from tests.worker.test_alerting import ALERTS, sent

TOKEN, LIMIT, CURSOR, FIREWALL, BUSY = (f"{name}.shop.example" for name in ("token", "limit", "cursor", "waf", "busy"))
POLICIES = """
[defaults.causes]
waf_block = "page"
transient = "ignore"

[[alerts.owner]]
name = "team-identity"
cause = "credential_rejected"
"""


def refused(target: str, path: str, body: str, *headers: tuple[str, str]) -> tuple[bytes, bytes]:
    value: dict[str, Any] = {
        "id": f"{target}{path}",
        "time": int(time.time() * 1000),
        "target": target,
        "job_id": "extract-1",
        "request": {"method": "GET", "url": f"https://{target}{path}", "headers": [["Authorization", "Bearer a.b.c"]]},
        "response": {"status": 400, "headers": [["Content-Type", "application/json"], *headers], "body": body},
    }
    return target.encode(), msgspec.json.encode(value)


async def test_a_credential_holds_a_limit_waits_a_cursor_is_a_ticket_and_a_policy_decides_the_rest(
    cluster: Cluster,
) -> None:
    cluster.write_policies(ALERTS.replace("name = ", 'page_on = ["job", "target"]\nname = ') + POLICIES)
    cluster.start_worker()
    await cluster.publish(
        [
            refused(TOKEN, "/a", '{"__type": "ExpiredTokenException", "message": "The security token is expired"}'),
            refused(LIMIT, "/b", "{}", ("x-amzn-ErrorType", "ThrottlingException"), ("Retry-After", "40")),
            refused(CURSOR, "/c?page_token=CAoQAA", '{"error": {"reason": "invalidPageToken"}}'),
            refused(FIREWALL, "/d", "<title>Attention Required! | Cloudflare</title>"),
            refused(BUSY, "/e", '{"errors": [{"reason": "Instance busy."}]}'),
        ]
    )
    await cluster.until_idle("responses", "offences")
    commands = {command.scope.target: command for command in await cluster.commands()}
    held = {
        target: (command.scope.kind, command.severity, command.expires_at - command.issued_at)
        for target, command in commands.items()
    }
    assert held == {
        TOKEN: ("job", None, 1_020_000),
        LIMIT: ("job", "ticket", 160_000),
        CURSOR: ("request", "ticket", 1_020_000),
        FIREWALL: ("request", "page", 1_020_000),
    }
    causes = {offence.target: offence.diagnosis.cause for offence in await cluster.offences() if offence.diagnosis}
    assert causes == {
        TOKEN: "credential_rejected",
        LIMIT: "rate_limited",
        CURSOR: "expired_state",
        FIREWALL: "waf_block",
        BUSY: "transient",
    }
    await cluster.until(lambda: len({one.target for one in sent(cluster)}) == len(commands))
    alerts = {one.target: one for one in sent(cluster)}
    assert {target: one.severity for target, one in alerts.items()} == {
        TOKEN: "page", LIMIT: "ticket", CURSOR: "ticket", FIREWALL: "page",
    }  # fmt: skip
    assert (alerts[TOKEN].owner, alerts[LIMIT].owner) == ("team-identity", None)
    assert "who owns it" in (alerts[TOKEN].remedy or "")
    assert "Start again from its source" in (alerts[CURSOR].remedy or "")
    done = await run("explain", LIMIT, **cluster.settings)
    assert "a 400 of cause rate_limited: hold for the stated time, else 60 s (built in)" in done.out
    assert "the row of its cause applies: hold for the stated time, else 60 s (built in), 40 s" in done.out
