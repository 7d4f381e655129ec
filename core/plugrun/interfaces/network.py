"""Network: how containers reach each other and the world.

A network is a ``NetworkConfig``, kept by core; a backend keeps nothing of it that a reboot may not
forget. ``create`` completes it and need make nothing on the host; what ``attach`` needs there it
makes at the first attachment, and what is missing later (a bridge that somebody deleted, rules
that somebody flushed) it makes again.

``attach`` is called between a task's create and its start, or while it is created (isolation's
``early-pid``), once for each network of a container, with the path of its network namespace
(``/proc/PID/ns/net``), and for a running container by ``network connect``. ``detach`` is called
after the container's end, when its namespace may be gone, and by ``network disconnect`` while it
runs. Loopback is up already: isolation sees to it. ``--network none`` and ``--network host`` never
reach a backend.

Promises
--------
- ``attach`` leaves nothing behind when it fails. ``detach`` can be repeated, and works when the
  namespace is gone; when it is not, the interface is taken out of it.
- An address, and a port of the host, has one holder at a time, whatever races for it: other
  processes of this backend, and for ports any program of the host. A port that is taken is
  Conflict, and so is an address; a pool without a free one is NoAddress.
- Nothing on the host that the backend did not make is changed, but for the switches that
  forwarding needs (``net.ipv4.ip_forward``), each of which it names in its documentation. Rules
  of others stay as they are. Two state folders share nothing: their networks have different
  bridges, tables and pools.
- A kill at any moment leaves what ``sweep`` finds.
- What attached containers lose to somebody else (a bridge that was deleted, a server that was
  killed) is made again by ``mend``, at the latest at the next attachment. A backend with a process
  of its own names it in the file ``serving`` of its state folder, PID and start time
  (proc_pid_stat(5)) with a blank between: once that process is gone, the next command calls
  ``mend``.

Capabilities
------------
``outbound``
    Attached containers reach other hosts.
``ports``
    ``Endpoint.ports`` are published. Without it, asking for one is InvalidArgument.
``names``
    Containers find each other by ``Endpoint.names``; ``Attachment.resolvers`` says whom to ask.
``networks``
    There may be several networks, fenced off from each other, and ``create`` chooses subnets.
``addresses``
    ``Endpoint.ipv4``, ``ipv6`` and ``mac`` are obeyed.
``connect``
    ``attach`` and ``detach`` work on a container that runs.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from plugrun.model.network import Attachment, Endpoint, NetworkConfig
else:
    Protocol = object

OUTBOUND = "outbound"
PORTS = "ports"
NAMES = "names"
NETWORKS = "networks"
ADDRESSES = "addresses"
CONNECT = "connect"


class Network(Backend, Protocol):
    """Joins network namespaces to networks."""

    def create(self, network: NetworkConfig, others: Sequence[NetworkConfig] = ()) -> NetworkConfig:
        """Return the network with all that was left open decided: subnets, gateways.

        ``others`` are all networks that there are; one is created at a time. Subnets are chosen so
        that they overlap no route of the host and none of the others. InvalidArgument if what is
        asked cannot be, Conflict if it is taken.
        """

    def remove(self, network: NetworkConfig) -> None:
        """Take from the host what was made for a network; it can be repeated."""

    def attach(self, endpoint: Endpoint, netns: str) -> Attachment:
        """Connect a container's network namespace."""

    def detach(self, container_id: str, network_id: str = "") -> None:
        """Undo ``attach`` for one network of a container, or for all of them."""

    def rename(self, endpoint: Endpoint) -> None:
        """Let a container that is attached be called by ``endpoint.names`` from now on."""

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield the container and the network ID of every attachment."""

    def sweep(self, networks: frozenset[str], *, remove: bool = True) -> tuple[str, ...]:
        """Remove from the host what killed processes left, and say what that was.

        ``networks`` are the IDs of those that exist: what belongs to another of this state folder
        goes. Attachments are not touched: who calls detaches what has ended first. Without
        ``remove`` it is only said.
        """

    def mend(self, *, act: bool = True) -> tuple[str, ...]:
        """Make again on the host what attached containers have lost, and say what that was.

        Without ``act`` it is only said.
        """

    def overlaps(self, network: NetworkConfig) -> tuple[str, ...]:
        """Say what else on the host, by now, has addresses of a network's, if that can be known.

        Containers may not reach what is said, nor be reached; or the network cannot be brought up,
        which ``attach`` says by Conflict.
        """
