"""Class data: Java writes them once, beside the jars, and loads the server's classes from them."""

from pathlib import Path

import pytest

from streams.local import ARTIFACTS, LocalS3, archive_class_data, find_java, install
from streams.local.class_data import class_data_archive, class_data_options

pytestmark = pytest.mark.s3


def test_a_server_writes_its_class_data_once_and_its_next_start_loads_them(tmp_path: Path) -> None:
    java, home = find_java(), tmp_path / "s3proxy"
    install(ARTIFACTS["s3proxy"])
    assert class_data_options(java, home) == []

    archive = archive_class_data(java, home, lambda options: LocalS3(java_options=options))
    assert archive is not None
    assert archive == class_data_archive(java, home)
    assert list(tmp_path.iterdir()) == [archive]

    written = archive.stat().st_mtime_ns
    archive_class_data(java, home, lambda _options: pytest.fail("started again"))
    assert archive.stat().st_mtime_ns == written

    loads = tmp_path / "loads.log"
    with LocalS3(java_options=[*class_data_options(java, home), f"-Xlog:class+load:file={loads}"]):
        pass
    assert loads.read_text().count("source: shared objects file (top)") > 1000
