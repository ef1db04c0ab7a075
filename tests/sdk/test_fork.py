"""A guard that was made before a fork, as by a server that preloads: it works in the child, and nothing hangs."""

import subprocess
import sys

import pytest

from tests.broker import decoded, read_to_end

from . import topics

CODE = """
import multiprocessing, sys
from halt400 import KafkaConnection, SyncGuard

def child(guard, name):
    for number in range(5):
        sending = guard.admit("GET", f"https://{name}.example/{number}")
        sending.received(400)
        sending.publish()

if __name__ == "__main__":
    guard = SyncGuard(KafkaConnection(sys.argv[1], sys.argv[2]), job_id="extract-099", catch_up_s=0, local_hold=None)
    child(guard, "parent")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=child, args=(guard, f"child-{number}")) for number in range(2)]
    children.append(context.Process(target=print))
    for one in children:
        one.start()
    for one in children:
        one.join(30)
    print([one.exitcode for one in children])
    child(guard, "parent-again")
    guard.close()
    guard.close()
"""


def run(servers: str, prefix: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CODE, servers, prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_nothing_hangs_at_the_end_of_a_child_while_kafka_is_away(unused_port: int) -> None:
    assert run(f"127.0.0.1:{unused_port}", "t.") == "[0, 0, 0]"


async def test_children_of_a_fork_publish_and_the_parent_goes_on(kafka: str, prefix: str) -> None:
    await topics.create(kafka, f"{prefix}control")
    await topics.create(kafka, f"{prefix}responses", compacted=False)
    assert run(kafka, prefix) == "[0, 0, 0]"
    records = await read_to_end(kafka, f"{prefix}responses", 4)
    urls = sorted(event.request.url for event in decoded(record.value for record in records))
    senders = ("child-0", "child-1", "parent", "parent-again")
    assert urls == sorted(f"https://{name}.example/{number}" for name in senders for number in range(5))
