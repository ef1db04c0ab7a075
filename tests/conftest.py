"""What tests share: one real Kafka and one real S3 server per session, and fixed seeds for Hypothesis.

``make fuzz`` sets HYPOTHESIS_PROFILE to search with random seeds.
"""

import gc
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import httpx._transports.default as httpx_transports
import pytest
from hypothesis import HealthCheck, settings

from streams.local import LocalS3
from tests.servers import Address, Servers, SharedServers, handle_on_s3

_MARKERS = {"kafka": "broker", "s3": "s3", "rich_s3": "s3"}
_SERVERS = pytest.StashKey[Servers]()
_SHARED = pytest.StashKey[SharedServers]()

# Neither a deadline for one example nor a check on the speed of making them: both are of wall time, and other processes
# run beside the tests.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", derandomize=True, **_UNTIMED)
settings.register_profile("random", max_examples=1000, print_blob=True, **_UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Each client of httpx reads all certificates of the machine, 40 ms of processor time; here they are read once.
httpx_transports.create_ssl_context = cache(httpx_transports.create_ssl_context)

_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 8 << 30


def _keep_temporary_files_in_memory() -> None:
    """Brokers make and sync ten thousand files, which takes a third of their processor time on a disk.

    Nothing changes where TMPDIR is set, or where there is little memory or programs cannot run from it.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    runs_programs = not os.statvfs(_MEMORY).f_flag & getattr(os, "ST_NOEXEC", 0)
    if runs_programs and min(memory, shutil.disk_usage(_MEMORY).free) >= _MEMORY_NEEDED:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


_keep_temporary_files_in_memory()
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts background jobs with SIGINT ignored, and the commands that tests interrupt would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_SERVERS] = Servers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a process of pytest-xdist where to ask for servers; called in the main process."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    if _SHARED not in config.stash:
        config.stash[_SHARED] = SharedServers(config.stash[_SERVERS])
    node.workerinput["servers"] = config.stash[_SHARED].place  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].close()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark every test by the servers that it uses, so that ``-m "not broker and not s3"`` needs neither."""
    for item in items:
        for fixture, marker in _MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    yield
    if hasattr(config, "workerinput"):
        items[:] = spread(items, config.workerinput["workercount"])


def pytest_collection_finish() -> None:
    """Let the collector begin: it would walk thousands of tests again and again, which stay until the end."""
    gc.collect()
    gc.freeze()
    gc.enable()


def spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Give each process, which begins with its share of the list, as much that waits as that computes.

    What takes longest is at the beginning of a share, so that no process is left with it at the end.
    """
    units = [list(found) for _, found in groupby(items, key=unit)]
    waiting = sorted((found for found in units if waits(found[0])), key=length, reverse=True)
    computing = [found for found in units if not waits(found[0])]
    placed = [(processes * (number + 0.5) / len(computing), found) for number, found in enumerate(computing)]
    for number, found in enumerate(waiting):
        place, share = divmod(number, processes)
        placed.append((share + place / (len(waiting) // processes + 1), found))
    return [item for _, found in sorted(placed, key=itemgetter(0)) for item in found]


def length(found: list[pytest.Item]) -> tuple[bool, int]:
    """What a unit's time is reckoned by: whether it is marked slow, and how many tests it has."""
    return found[0].get_closest_marker("slow") is not None, len(found)


def waits(item: pytest.Item) -> bool:
    """Whether a test spends most of its time on servers and other processes."""
    return any(item.get_closest_marker(name) for name in ("broker", "s3", "slow"))


def unit(item: pytest.Item) -> str:
    """The module of a test that shares a fixture with others of its module, which stay together; else the test."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    shares = any(found[-1].baseid and found[-1].scope in ("module", "class") for found in fixtures)
    return item.nodeid.partition("::")[0] if shares else item.nodeid


@pytest.fixture(scope="session", autouse=True)
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A state directory of this session, for processes that are started too: tests leave the user's alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Callable[[str], Address]:
    """The address of a server of this session by its name: kafka, s3 or moto."""
    main = getattr(pytestconfig, "workerinput", {}).get("servers")
    return pytestconfig.stash[_SERVERS] if main is None else partial(SharedServers.ask, main)


@pytest.fixture(scope="session")
def kafka(servers: Callable[[str], Address]) -> str:
    """Bootstrap servers of the cluster in HALT400_KAFKA_BOOTSTRAP_SERVERS, else of a local Kafka of this session."""
    given = os.environ.get("HALT400_KAFKA_BOOTSTRAP_SERVERS")
    return given or servers("kafka")["bootstrap_servers"]


@pytest.fixture(scope="session")
def s3(servers: Callable[[str], Address]) -> LocalS3:
    """A local S3 server of this session; make a bucket of your own with ``s3.create_bucket(name)``."""
    return handle_on_s3(servers("s3"))


@pytest.fixture
def prefix() -> str:
    """A prefix for the names of topics and groups, one per test, so that tests can share one broker."""
    return f"t-{secrets.token_hex(4)}."
