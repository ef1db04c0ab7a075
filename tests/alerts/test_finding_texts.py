"""What findings say to people."""

from streams.alerts.compose import compose
from streams.alerts.notification_texts import labelled_texts
from streams.alerts.routing import PlannedDelivery
from tests.alerts.examples import ONCALL, T0, TARGET, finding, incidents, only, texts


def test_a_fault_of_the_fleet_says_what_the_jobs_share_what_fails_and_what_to_do() -> None:
    found = texts(only(incidents(finding("fleet_fault"))))
    assert found["title"] == "The fleet is at fault, many targets fail at once: they share release 2.4.0"
    assert found["Cause"] == "fleet_fault: your own release, proxy pool or network, not the targets"
    assert found["Remedy"].startswith("Roll back release 2.4.0, or stop its jobs.")
    assert (
        found["In common"] == "release 2.4.0: 92% of the failing jobs, 8.2 times as common among them as among all jobs"
    )
    assert found["Failing targets"].splitlines()[-1] == "and more"
    assert found["Closes"] == "by itself at 2025-11-23 08:00:00Z, unless it is reported again before"
    assert found["Acknowledge"] == "halt400 alerts ack fleet/fleet_fault"
    assert "Halted" not in found


def test_a_fault_of_the_fleet_without_anything_in_common_says_so() -> None:
    nothing = {"attribute": None, "value": None, "lift": None, "coverage_ratio": None}
    found = texts(only(incidents(finding("fleet_fault", **nothing))))
    assert found["In common"] == "no release, proxy pool, client library or region"
    assert found["Remedy"].startswith("Look at what every job passes")


def test_a_retry_loop_names_worker_and_release_and_counts_what_it_wasted() -> None:
    loops = [
        finding("retry_loop", number, wasted_requests=wasted, fingerprint=fingerprint, worker=worker)
        for number, (fingerprint, wasted, worker) in enumerate(
            [("a", 1, "worker-7"), ("a", 2, "worker-7"), ("a", 4, "worker-7"), ("b", 16, "worker-8")]
        )
    ]
    found = texts(only(incidents(*loops)))
    assert found["title"] == f"{TARGET}: release 2.4.0 ignores the gate, 20 requests wasted so far"
    assert found["Requests wasted"] == "at least 20"
    assert found["Who"].splitlines() == [
        "worker worker-8 of release 2.4.0, job extract-099: 16 requests wasted",
        "worker worker-7 of release 2.4.0, job extract-099: 4 requests wasted",
    ]
    assert "stop worker worker-7 of release 2.4.0" in found["Remedy"] or "worker-8" in found["Remedy"]
    assert "Found too" not in found


def test_an_alarm_alone_says_that_nothing_is_halted_and_how_to_halt_it() -> None:
    found = texts(only(incidents(finding("target_alarm"))))
    assert found["title"] == f"{TARGET} answers 400 to 2 jobs, and is not halted as a whole"
    assert f"`halt400 quarantine target/{TARGET} --reason" in found["Remedy"]


def test_refused_records_name_the_code_and_the_setting_to_change() -> None:
    found = texts(only(incidents(finding("refused_records"))))
    assert found["title"] == "Records that are published are refused, and not counted: wrong_partition"
    assert "set partitioner=murmur2_random" in found["Remedy"]
    other = texts(only(incidents(finding("refused_records", value="invalid_event"))))
    assert other["Remedy"].startswith("Validate what is published")


def test_every_text_of_a_finding_is_redacted() -> None:
    secret = "hunter2-hunter2"
    secrets = dict.fromkeys(("summary", "worker", "release", "job_id", "fingerprint", "signature"), f"x {secret}")
    for kind in ("retry_loop", "fleet_fault", "poison_item", "target_alarm", "refused_records"):
        named = secrets | {"value": secret, "attribute": "release", "jobs": (secret,), "targets": (secret,)}
        incident = only(incidents(finding(kind, **named)))
        found = compose(
            incident, PlannedDelivery("pager", ONCALL, "trigger", T0), None, T0, lambda text: text.replace(secret, "…")
        )
        assert secret not in str([found, labelled_texts(found)])
