import subprocess
import sys

import pytest

from streams.processing.build_context import _diagnose
from streams.processing.partition import PartitionState
from streams.processing.warm_up import warm_up
from tests.processing.test_partition import NOW, make_context


def test_it_goes_all_the_way_to_a_command() -> None:
    outcome = warm_up(make_context(diagnose=_diagnose), NOW)
    assert [command.state for command in outcome.commands] == ["quarantined"]
    assert [offence.diagnosis and offence.diagnosis.cause for offence in outcome.offences] == [
        "malformed_json",
        "malformed_graphql",
    ]
    assert outcome.refusals == []


def test_it_leaves_nothing_in_the_partitions() -> None:
    context = make_context()
    partition = PartitionState("responses", 0, context)
    warm_up(context, NOW)
    assert partition.known_targets == 0
    assert partition.take_changed() == []


@pytest.mark.slow
def test_the_first_diagnosis_after_it_loads_no_module() -> None:
    code = """
import sys
from streams.processing.build_context import _diagnose
from streams.processing.warm_up import warm_up
from tests.processing.test_partition import NOW, make_context
warm_up(make_context(diagnose=_diagnose), NOW)
before = set(sys.modules)
warm_up(make_context(diagnose=_diagnose), NOW)
assert "graphql.language.parser" in before
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
