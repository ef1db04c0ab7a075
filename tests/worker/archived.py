"""What must be in a directory's archive, after the log of offences."""

from halt400.records import Offence
from streams.archive.object_names import manifest_key
from streams.archive.sampling import Manifest, OffenceSampler, decode_manifest
from tests.worker.conftest import Cluster

__all__ = ["assert_archived"]


def assert_archived(cluster: Cluster, offences: list[Offence], storm_keep: int) -> int:
    """The evidence is that of every offence which is to be kept, and the manifests count all; how many are kept.

    `offences` holds each once; the worker was idle before the call.
    """
    topic, kept = f"{cluster.prefix}offences", set[str]()
    samplers: dict[str, OffenceSampler] = {}
    for offence in sorted(offences, key=lambda offence: offence.source.offset):
        key = manifest_key(offence.target, offence.event.time, topic, offence.source.partition)
        manifest = Manifest(target=offence.target, date=key.split("/")[1])
        sampler = samplers.setdefault(key, OffenceSampler(manifest, storm_keep=storm_keep))
        assert offence.fingerprints is not None
        if sampler.count(offence.source, offence.fingerprints.signature, offence.event.time, always=offence.opens):
            kept.add(offence.archive_uri)
    objects = {path for path in cluster.archive.rglob("*") if path.is_file()}
    archived = {path.as_uri() for path in objects if path.suffix == ".har"}
    assert archived == kept, f"missing: {sorted(kept - archived)[:5]}, surplus: {sorted(archived - kept)[:5]}"
    manifests = {
        str(path.relative_to(cluster.archive)): decode_manifest(path.read_bytes())
        for path in objects
        if path.suffix == ".json"
    }
    assert manifests.keys() == samplers.keys(), manifests.keys() ^ samplers.keys()
    for key, sampler in samplers.items():
        assert manifests[key] == sampler.manifest(), f"{manifests[key]} instead of {sampler.manifest()}"
    assert sum(manifest.seen for manifest in manifests.values()) == len(offences)
    return len(kept)
