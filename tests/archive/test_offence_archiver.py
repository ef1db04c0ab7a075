"""Records of `offences` become objects that `verify` finds sound, without a secret."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from faust.types import TP

from halt400.records import Offence
from streams.archive import open_archive
from streams.archive.object_names import MANIFEST
from streams.archive.offence_archiver import redact_and_cut
from streams.archive.verification import verify
from streams.settings import ArchiveSettings
from tests.archive.offences import SECRETS, OffenceRecord, archive_records, key_of, offence, redactor


async def test_the_archiver_writes_what_verify_finds_sound(tmp_path: Path) -> None:
    archive = open_archive(ArchiveSettings(uri=tmp_path.as_uri()))
    offences = [offence(number, target=f"t{number % 3}.example") for number in range(40)]
    values = [msgspec.json.encode(one) for one in offences]
    broken = b'{"password": "hunter2hunter2", "no": "offence"'
    half = (
        msgspec.json.encode(msgspec.structs.replace(offences[0], diagnosis=None))
        .replace(b'"status":400', b'"status":"x"')
        .replace(b'"offset":0', b'"offset":99')
    )
    records = [OffenceRecord(number, value) for number, value in enumerate([*values, None, broken, half])]
    tp = TP("halt400.offences", 3)
    for _ in range(2):  # The second process reads all of it again.
        assert await archive_records(archive, tp, records) == len(records)
    assert sum(key.endswith(MANIFEST) for key in archive.keys("")) == 3
    keys = [key for key in archive.keys("") if not key.endswith(MANIFEST)]
    assert len(keys) == 42
    assert sum(key.startswith("undecodable/") for key in keys) == 1
    for key in keys:
        for secret in SECRETS:
            assert secret.encode() not in archive.read(key)

    async def log() -> AsyncIterator[tuple[int, bytes | None]]:
        for value in [*values, None, values[0]]:
            yield 3, value

    def prepare(one: Offence) -> Offence:
        return redact_and_cut(redactor, one)

    found = await verify(archive, log(), prepare, topic=tp.topic)
    assert found.complete
    assert found.sound == found.offences == 40

    key, other, third = map(key_of, offences[1:4])
    (tmp_path / key).unlink()
    (tmp_path / other).write_bytes(archive.read(other).replace(b"product", b"forgery"))
    (tmp_path / third).write_bytes(b"{")
    found = await verify(archive, log(), prepare, topic=tp.topic)
    assert (found.sound, found.missing_count, found.different_count, found.unreadable_count) == (37, 1, 1, 1)
    assert found.missing == [archive.uri(key)]
    assert not found.complete
