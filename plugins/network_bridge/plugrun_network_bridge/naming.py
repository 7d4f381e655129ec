"""How the DNS server is started, and told of changes; the leases' lock is held meanwhile."""

from __future__ import annotations

import _socket
import os
import sys

from plugrun.api import PlugrunError, filesystem, orphan

from plugrun_network_bridge.leases import DOOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_network_bridge.leases import Lease

_PATIENCE = 10.0  # seconds
_PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[1:3];"
    " from plugrun_network_bridge.dns.main import main; main()"
)
_KIND = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC


def introduce(state: str, lease: Lease) -> bool:
    """Have the server answer a container; say whether it had to be started."""
    words = f"attach {lease.network_id} {lease.container_id}"
    said = _tell(state, words)
    started = said is None
    if started:
        start(state)
        said = _tell(state, words)
    if said != "ok":
        raise PlugrunError(f"the names of other containers cannot be served: {said}")
    return started


def announce(state: str, network_id: str) -> bool:
    """Have the server read a network's names again; say whether there is one."""
    return _tell(state, f"look {network_id}") is not None


def part(state: str, lease: Lease, *, interface: bool) -> bool:
    """Have the server let go of a container; say whether there is one.

    With ``interface`` it removes the container's, if somebody else has its namespace.
    """
    veth = f" {lease.veth},{lease.nsid}" if interface else ""
    return _tell(state, f"detach {lease.network_id} {lease.container_id}{veth}") is not None


def _tell(state: str, words: str) -> str | None:
    """Return what the server says; None if there is none."""
    caller = _socket.socket(_socket.AF_UNIX, _KIND)
    caller.settimeout(_PATIENCE)
    folder = _folder(state)
    try:
        caller.connect(f"/proc/self/fd/{folder}/{DOOR}")
        caller.send(words.encode())
        return caller.recv(4096).decode() or None
    except (FileNotFoundError, ConnectionError):
        return None
    finally:
        caller.close()
        os.close(folder)


def _folder(state: str) -> int:
    """The address of a socket is 107 bytes long at most; a folder's descriptor keeps it short."""
    return os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def start(state: str) -> None:
    """Start a server; who tells it something waits at its door until it is ready."""
    door = _socket.socket(_socket.AF_UNIX, _KIND)
    folder = _folder(state)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        filesystem.unlink(f"{state}/{DOOR}")
        door.bind(f"/proc/self/fd/{folder}/{DOOR}")
        door.listen(64)
        orphan.spawn_orphan(_argv(state), (door.fileno(), null, null))
    finally:
        os.close(null)
        os.close(folder)
        door.close()


def _argv(state: str) -> tuple[str, ...]:
    import plugrun.api

    core = os.path.dirname(os.path.dirname(os.path.abspath(plugrun.api.__file__)))
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return (sys.executable, "-I", "-S", "-c", _PROGRAM, core, own, state)
