from streams.processing.partition import PartitionState
from streams.processing.rehearsal import rehearse
from tests.processing.test_partition import NOW, make_context


def test_the_rehearsal_goes_all_the_way_to_a_command() -> None:
    outcome = rehearse(make_context(), NOW)
    assert [command.state for command in outcome.commands] == ["quarantined"]
    assert len(outcome.offences) == 1
    assert outcome.refusals == []


def test_the_rehearsal_leaves_nothing_in_the_partitions() -> None:
    context = make_context()
    partition = PartitionState("responses", 0, context)
    rehearse(context, NOW)
    assert partition.known_targets == 0
    assert partition.take_changed() == []
