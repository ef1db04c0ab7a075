"""What must be in a directory's archive, after the log of offences."""

from halt400.records import Offence
from streams.archive.expected import ExpectedArchive
from streams.archive.sampling import decode_manifest
from tests.worker.conftest import Cluster

__all__ = ["assert_archived"]


def assert_archived(cluster: Cluster, offences: list[Offence], storm_keep: int) -> int:
    """The evidence is that of every offence which is to be kept, and the manifests count all; how many are kept.

    `offences` holds each once; the worker was idle before the call.
    """
    expected, kept = ExpectedArchive(f"{cluster.prefix}offences", storm_keep=storm_keep), set[str]()
    for offence in sorted(offences, key=lambda offence: (offence.source.offset, offence.source.index)):
        assert offence.fingerprints is not None
        _, is_kept = expected.add(offence.source.partition, offence)
        if is_kept:
            kept.add(offence.archive_uri)
    objects = {path for path in cluster.archive.rglob("*") if path.is_file()}
    archived = {path.as_uri() for path in objects if path.suffix == ".har"}
    assert archived == kept, f"missing: {sorted(kept - archived)[:5]}, surplus: {sorted(archived - kept)[:5]}"
    manifests = {
        str(path.relative_to(cluster.archive)): decode_manifest(path.read_bytes())
        for path in objects
        if path.suffix == ".json"
    }
    assert manifests.keys() == expected.samplers.keys(), manifests.keys() ^ expected.samplers.keys()
    for key, sampler in expected.samplers.items():
        assert manifests[key] == sampler.manifest(), f"{manifests[key]} instead of {sampler.manifest()}"
    assert sum(manifest.seen for manifest in manifests.values()) == len(offences)
    return len(kept)
