"""What the state folder remembers: the networks in use, who is attached, and who has an address.

::

    lock                              flock(2): whoever changes anything holds it
    dns                               the door of the DNS server, while there is one
    serving                           its PID and start time: core looks whether it lives
    networks/<id>/network             the network, as JSON
    networks/<id>/endpoints/<cid>     a ``Lease``, as JSON
    networks/<id>/addresses/<ip>      a symbolic link to whose it is

A lease is written before what it names is made, so that whatever a kill leaves is named in one.
An address is had by who has made its link; links are made in one piece, and only once.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.api import NetworkConfig, Port, dumps, filesystem, from_json, loads, record
from plugrun.api import as_json as plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

DOOR = "dns"  # the name, beside `lock`, of the socket by which the DNS server is told of changes
SERVING = "serving"


@record
class Lease:
    """What one container has of one network. ``veth`` is the host's end of its pair.

    ``netns`` is the path of its network namespace, ``inode`` which one that was, ``nsid`` its
    number in the host's (rtnetlink's NETNSA_NSID).
    """

    container_id: str
    network_id: str
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    veth: str = ""
    netns: str = ""
    inode: int = 0
    nsid: int = -1
    ports: tuple[Port, ...] = ()
    names: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    resolvers: tuple[str, ...] = ()
    NESTED: ClassVar = {"ports": Port}

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that it has."""
        return tuple(address for address in (self.ipv4, self.ipv6) if address)


class Leases:
    """The leases of one state folder. Who changes them holds ``locked``."""

    def __init__(self, state: str) -> None:
        self.state = state
        self._networks = f"{state}/networks"

    def locked(self) -> Held:
        """Wait until nobody else changes this state folder; ``with`` lets it go."""
        return Held(f"{self.state}/lock")

    def networks(self) -> tuple[NetworkConfig, ...]:
        """Return the networks that have been in use since the machine started."""
        found = (_read(f"{self._networks}/{name}/network") for name in _names(self._networks))
        return tuple([from_json(NetworkConfig, data) for data in found if data is not None])

    def network(self, network_id: str) -> NetworkConfig | None:
        """Return a network that is in use, or None."""
        data = _read(f"{self._networks}/{network_id}/network")
        return None if data is None else from_json(NetworkConfig, data)

    def keep_network(self, network: NetworkConfig) -> bool:
        """Remember a network; return whether it was not, as it is now, until now."""
        folder = f"{self._networks}/{network.id}"
        for part in ("endpoints", "addresses"):
            filesystem.make_private(f"{folder}/{part}")
        path = f"{folder}/network"
        text = dumps(plain(network)).encode()
        changes = _bytes(path) != text
        if changes:
            filesystem.write_whole(path, text)
        return changes

    def forget_network(self, network_id: str) -> None:
        """Forget a network and all its leases; also what a killed writer left aside."""
        folder = f"{self._networks}/{network_id}"
        for path in (f"{folder}/endpoints", f"{folder}/addresses", folder):
            if os.path.isdir(path):
                for name in os.listdir(path):
                    filesystem.unlink(f"{path}/{name}")
                os.rmdir(path)

    def network_ids(self) -> tuple[str, ...]:
        """Return the IDs of the networks that something is remembered of."""
        return _names(self._networks)

    def of_network(self, network_id: str) -> Iterator[Lease]:
        """Yield the leases of a network."""
        for name in _names(f"{self._networks}/{network_id}/endpoints"):
            lease = self.find(name, network_id)
            if lease is not None:
                yield lease

    def all(self) -> Iterator[Lease]:
        """Yield every lease."""
        for network_id in self.network_ids():
            yield from self.of_network(network_id)

    def holders(self) -> Iterator[tuple[str, str]]:
        """Yield container and network of every lease; none of them is read."""
        for network_id in self.network_ids():
            for name in _names(f"{self._networks}/{network_id}/endpoints"):
                yield name, network_id

    def has_holders(self, network_id: str) -> bool:
        """Whether anybody is attached to a network."""
        return bool(_names(f"{self._networks}/{network_id}/endpoints"))

    def find(self, container_id: str, network_id: str) -> Lease | None:
        """Return a container's lease on a network, or None."""
        data = _read(self._path(container_id, network_id))
        return None if data is None else from_json(Lease, data)

    def taken(self, network_id: str) -> frozenset[str]:
        """Return the addresses of a network that somebody has."""
        return frozenset(_names(f"{self._networks}/{network_id}/addresses"))

    def write(self, lease: Lease) -> None:
        """Write a lease, and claim its addresses; FileExistsError if one is another's."""
        path = self._path(lease.container_id, lease.network_id)
        filesystem.write_whole(path, dumps(plain(lease)).encode())
        for address in lease.addresses:
            self._claim(lease, address)

    def _claim(self, lease: Lease, address: str) -> None:
        path = f"{self._networks}/{lease.network_id}/addresses/{address}"
        try:
            os.symlink(lease.container_id, path)
        except FileExistsError:
            if os.readlink(path) != lease.container_id:
                raise

    def drop(self, lease: Lease) -> None:
        """Give back a container's addresses, then forget its lease."""
        folder = f"{self._networks}/{lease.network_id}/addresses"
        for address in lease.addresses:
            path = f"{folder}/{address}"
            try:
                if os.readlink(path) == lease.container_id:
                    os.unlink(path)
            except FileNotFoundError:
                continue
        filesystem.unlink(self._path(lease.container_id, lease.network_id))

    def unheld(self, network_id: str) -> tuple[str, ...]:
        """Return the addresses of a network whose holders have no lease."""
        folder = f"{self._networks}/{network_id}/addresses"
        holders = frozenset(_names(f"{self._networks}/{network_id}/endpoints"))
        return tuple(
            [one for one in _names(folder) if os.readlink(f"{folder}/{one}") not in holders]
        )

    def give_back(self, network_id: str, address: str) -> None:
        """Let an address be had again."""
        filesystem.unlink(f"{self._networks}/{network_id}/addresses/{address}")

    def _path(self, container_id: str, network_id: str) -> str:
        return f"{self._networks}/{network_id}/endpoints/{container_id}"


class Held:
    """A held lock on a file; it ends with its holder."""

    def __init__(self, path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            filesystem.make_private(os.path.dirname(path))
            self._fd = os.open(path, flags, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _names(folder: str) -> tuple[str, ...]:
    try:
        return tuple([name for name in os.listdir(folder) if ".tmp-" not in name])
    except FileNotFoundError:
        return ()


def _bytes(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _read(path: str) -> dict[str, object] | None:
    text = _bytes(path)
    if text is None:
        return None
    found: dict[str, object] = loads(text)
    return found
