"""Hypothesis strategies: histories of commands and findings in the order of reading."""

from hypothesis import strategies as st

from halt400.records import Command
from streams.detection import Finding
from tests.alerts.examples import command, finding

states = st.sampled_from(["quarantined", "probing", "released"])
causes = st.sampled_from(["malformed_json", "schema_violation", None])


@st.composite
def command_histories(draw: st.DrawFn) -> list[Command]:
    """Some scopes' commands in the order of their partition, sequences rising per scope."""
    sequences: dict[str | None, int] = {}
    found = []
    for job in draw(st.lists(st.sampled_from([None, "a", "b", "c", "d", "e"]), max_size=25)):
        sequences[job] = sequences.get(job, 0) + 1
        signature = draw(st.sampled_from([None, "a" * 32, "b" * 32, "c" * 32, "d" * 32]))
        one = command(job, draw(states), sequence=sequences[job], cause=draw(causes), signature=signature)
        found.append(one)
    return found


def finding_histories() -> st.SearchStrategy[list[Finding]]:
    kinds = st.sampled_from(["target_alarm", "poison_item", "retry_loop", "fleet_fault", "refused_records"])
    return st.lists(
        st.builds(finding, kinds, st.integers(1, 6), severity=st.sampled_from(["page", "ticket"])), max_size=15
    )


@st.composite
def mixed_histories(draw: st.DrawFn) -> list[Command | Finding]:
    """Commands and findings of one target as they may be read, sequences rising per scope, ids sometimes repeated."""
    sequences: dict[str | None, int] = {}
    found: list[Command | Finding] = []
    for kind in draw(st.lists(st.sampled_from(["command", "target_alarm", "poison_item"]), max_size=25)):
        if kind == "command":
            job = draw(st.sampled_from([None, "extract-098", "extract-099"]))
            sequences[job] = sequences.get(job, 0) + 1
            state, cause = draw(states), draw(causes)
            signature = draw(st.sampled_from([None, "a" * 32, "b" * 32, "c" * 32, "d" * 32]))
            found.append(command(job, state, sequence=sequences[job], cause=cause, signature=signature))
        else:
            severity = draw(st.sampled_from(["page", "ticket"]))
            jobs = tuple(draw(st.lists(st.sampled_from(["extract-098", "extract-099"]), max_size=2, unique=True)))
            found.append(finding(kind, draw(st.integers(1, 8)), severity=severity, jobs=jobs))
    return found
