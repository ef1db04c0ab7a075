"""Three brokers on this machine (KRaft, replication 3, min.insync 2), with a link for each kind of client."""

import asyncio
import os
import signal
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Sequence
from pathlib import Path

from chaos.links import Link
from streams.local import LocalKafka
from streams.local.ports import HOST

__all__ = ["Brokers", "all_of"]

NODES = 3
START_S = 180.0
DISK_BYTES = 1024 * 1024 * 1024
_QUICK_JAVA = ("-XX:TieredStopAtLevel=1", "-Xms64m")


async def all_of(*starts: Awaitable[object]) -> None:
    """Wait until all have ended, so that nothing starts any more; then raise what one of them has raised."""
    for found in await asyncio.gather(*starts, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found


class Brokers:
    """The cluster, and the links through which each client reaches each broker.

    Parameters
    ----------
    clients
        Names of the clients that have links of their own, such as ``worker0``. The brokers reach one another through
        links too, named ``brokers``. The campaign itself connects directly.
    ports
        Free ports, `Brokers.ports_of` so many clients.
    small_disks
        Whether each broker gets a small disk of its own, which can be filled.
    """

    def __init__(self, directory: Path, clients: Sequence[str], ports: Sequence[int], *, small_disks: bool) -> None:
        self._directory, self._small_disks = directory, small_disks
        self._names = ["direct", "brokers", *clients]
        self._ports = [ports[node::NODES] for node in range(NODES)]
        self.links: dict[str, list[Link]] = {
            name: [Link(self._advertised(node, name), self._listening(node, name)) for node in range(NODES)]
            for name in self._names[1:]
        }
        self.nodes = [self._node(node) for node in range(NODES)]
        self._mounted: set[int] = set()

    @staticmethod
    def ports_of(clients: int) -> int:
        """How many ports are needed: a controller's, a listener's for each name, a link's for each but ``direct``."""
        return NODES * (1 + 2 + clients + 1 + clients)

    def bootstrap_servers(self, client: str = "direct") -> str:
        """The addresses for one client."""
        return ",".join(f"{HOST}:{self._advertised(node, client)}" for node in range(NODES))

    async def start(self) -> None:
        """Start the links and the brokers, all at once: a broker answers when there is a quorum."""
        for node in range(NODES):
            self._mount(node)
        for links in self.links.values():
            for link in links:
                await link.start()
        await all_of(*(asyncio.to_thread(node.start) for node in self.nodes))

    async def stop(self) -> None:
        """Stop all."""
        for node in range(NODES):
            self.resume(node)
            await asyncio.to_thread(self.nodes[node].kill)
        for links in self.links.values():
            for link in links:
                await link.stop()
        while self._mounted:
            # Lazily: a process that was killed may still have files open there.
            place = self._place(self._mounted.pop())
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(place)], check=False)

    def freeze(self, node: int) -> None:
        """SIGSTOP one broker."""
        self._signal(node, signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """SIGCONT one broker."""
        self._signal(node, signal.SIGCONT)

    @property
    def disks_can_fill(self) -> bool:
        """Whether each broker has a small disk of its own, which needs the right to mount."""
        return len(self._mounted) == NODES

    def fill_disk(self, node: int) -> None:
        """Fill the disk of one broker to the last byte."""
        with (self._place(node) / "filler").open("wb") as filler:
            try:
                while True:
                    filler.write(b"\0" * (1 << 20))
                    filler.flush()
            except OSError:
                pass

    def free_disk(self, node: int) -> None:
        """Give the space back."""
        (self._place(node) / "filler").unlink(missing_ok=True)

    def _signal(self, node: int, number: signal.Signals) -> None:
        pid = self.nodes[node].pid
        if pid is not None:
            os.killpg(pid, number)

    def _place(self, node: int) -> Path:
        return self._directory / f"broker{node}"

    def _mount(self, node: int) -> None:
        place = self._place(node)
        place.mkdir(parents=True, exist_ok=True)
        if not self._small_disks:
            return
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            self._mounted.add(node)

    def _listening(self, node: int, name: str) -> int:
        return self._ports[node][1 + self._names.index(name)]

    def _advertised(self, node: int, name: str) -> int:
        """Where clients connect: the link, or the broker itself for the campaign's own clients."""
        if name == "direct":
            return self._listening(node, name)
        return self._ports[node][len(self._names) + self._names.index(name)]

    def _node(self, node: int) -> LocalKafka:
        def listeners(port_of: str) -> str:
            ports = {name: getattr(self, port_of)(node, name) for name in self._names}
            return ",".join(f"{name.upper()}://{HOST}:{port}" for name, port in ports.items())

        controllers = [ports[0] for ports in self._ports]
        properties = {
            "node.id": str(node),
            "controller.quorum.voters": ",".join(f"{n}@{HOST}:{port}" for n, port in enumerate(controllers)),
            "listeners": f"{listeners('_listening')},CONTROLLER://{HOST}:{controllers[node]}",
            "advertised.listeners": listeners("_advertised"),
            "listener.security.protocol.map": ",".join(
                f"{name.upper()}:PLAINTEXT" for name in (*self._names, "controller")
            ),
            "inter.broker.listener.name": "BROKERS",
            "default.replication.factor": str(NODES),
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": str(NODES),
            "transaction.state.log.replication.factor": str(NODES),
            "share.coordinator.state.topic.replication.factor": str(NODES),
            # The checker compares times of records with times of answers.
            "log.message.timestamp.type": "LogAppendTime",
            "replica.lag.time.max.ms": "6000",
            "leader.imbalance.check.interval.seconds": "5",
            "leader.imbalance.per.broker.percentage": "0",
            # On a busy machine the defaults of 1 and 2 s elect leaders all the time.
            "controller.quorum.election.timeout.ms": "3000",
            "controller.quorum.fetch.timeout.ms": "5000",
            "num.network.threads": "1",
            "num.io.threads": "2",
            "log.segment.bytes": str(16 << 20),
            "log.cleaner.dedupe.buffer.size": str(4 << 20),
        }
        cluster_id = urlsafe_b64encode(b"halt400-chaos-00").decode().rstrip("=")
        kafka = LocalKafka(
            data_dir=self._place(node) / "data",
            heap="320m",
            java_options=_QUICK_JAVA,
            properties=properties,
            cluster_id=cluster_id,
            start_timeout_s=START_S,
        )
        kafka._ports = [self._listening(node, "direct"), controllers[node]]
        return kafka
