"""The server's life: who asks, who tells it of changes, and when it ends."""

from __future__ import annotations

import _socket
import errno
import fcntl
import os

from plugrun.api import filesystem

from plugrun_network_bridge.dns.clients import Client
from plugrun_network_bridge.dns.directory import Directory
from plugrun_network_bridge.dns.inside import open_inside
from plugrun_network_bridge.dns.loop import Loop
from plugrun_network_bridge.leases import DOOR, SERVING, Lease, Leases
from plugrun_network_bridge.links import delete_link, lives_on
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink

_LONGEST_MESSAGE = 4096
_USUAL_WAIT, _WAIT_TO_END, _WAIT_TO_DELETE = 3600.0, 0.2, 0.2  # seconds
_UNTOLD = 30.0  # seconds after which whoever started it must have been killed


class Server:
    """Answers the containers of one state folder until there are none."""

    def __init__(self, state: str, door: _socket.socket) -> None:
        self._state, self._door = state, door
        self._leases = Leases(state)
        self._loop = Loop()
        self._directory = Directory(self._leases)
        self._clients: dict[str, Client] = {}
        self._watched: dict[str, int] = {}  # a pidfd of each container's first process
        self._heard = False
        self._loop.watch(door.fileno(), self._hear)
        self._loop.limit(door.fileno(), _UNTOLD, self._wait_no_more)

    def _wait_no_more(self) -> None:
        self._heard = True

    def serve(self) -> None:
        """Serve; return when nobody is left, with the door removed."""
        self._sign()
        for lease in self._directory.containers().values():
            self._welcome(lease)
        while not self._is_over():
            self._loop.turn(_WAIT_TO_END if not self._clients and self._heard else _USUAL_WAIT)

    def _sign(self) -> None:
        """Write down who this is, for whoever looks whether it lives."""
        pid = os.getpid()
        with open("/proc/self/stat", "rb") as file:
            started = file.read().rpartition(b")")[2].split()[19]  # proc_pid_stat(5)
        filesystem.write_whole(f"{self._state}/{SERVING}", b"%d %s" % (pid, started))

    def _is_over(self) -> bool:
        """End only under the lock that whoever starts a server holds while speaking to it."""
        if self._clients or not self._heard:
            return False
        fd = os.open(f"{self._state}/lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            filesystem.unlink(f"{self._state}/{SERVING}")
            os.unlink(f"{self._state}/{DOOR}")
        except BlockingIOError:
            return False
        except FileNotFoundError:
            pass
        finally:
            os.close(fd)
        return True

    def _hear(self) -> None:
        try:
            fd, _ = self._door._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        with _Closing(_socket.socket(fileno=fd)) as caller:
            try:
                message = caller.recv(_LONGEST_MESSAGE).decode()
                if message:
                    self._heard = True
                    caller.send(self._answer(message))
            except OSError:
                return  # who called was killed before it spoke, or before it heard

    def _answer(self, message: str) -> bytes:
        try:
            self._obey(*message.split(" "))
        except OSError as error:
            return f"{error.strerror or error}".encode()[:_LONGEST_MESSAGE]
        return b"ok"

    def _obey(self, verb: str, network_id: str, container_id: str = "", veth: str = "") -> None:
        """``attach`` and ``look`` a network; ``detach`` a container, whose interface may stay."""
        self._directory.read(network_id)
        lease = self._directory.containers().get(container_id)
        if verb == "attach" and lease is not None:
            self._welcome(lease, strict=True)
        if verb == "detach" and lease is None:
            self._part(container_id)
        if veth:
            self._delete_later(veth)

    def _welcome(self, lease: Lease, *, strict: bool = False) -> None:
        if lease.container_id in self._clients:
            return
        try:
            sockets = open_inside(lease.netns, lease.inode)
        except OSError:
            if strict:
                raise
            return  # it has ended
        client = Client(self._loop, self._directory, lease.container_id, sockets)
        self._clients[lease.container_id] = client
        self._watch(lease)

    def _watch(self, lease: Lease) -> None:
        """Close the sockets, which keep its namespace alive, when the container ends."""
        words = lease.netns.split("/")
        if words[:2] != ["", "proc"] or not words[2].isdigit():
            return
        try:
            pidfd = os.pidfd_open(int(words[2]))
        except OSError:
            return
        self._watched[lease.container_id] = pidfd
        self._loop.watch(pidfd, lambda: self._part(lease.container_id))

    def _part(self, container_id: str) -> None:
        client = self._clients.pop(container_id, None)
        if client is not None:
            client.close()
        pidfd = self._watched.pop(container_id, -1)
        if pidfd >= 0:
            self._loop.forget(pidfd)
            os.close(pidfd)

    def _delete_later(self, veth: str) -> None:
        """Remove an interface whose namespace somebody else may use, if it does not go by itself.

        The kernel lets go of the sockets that were just closed a little later.
        """
        number, timer = veth.split(","), os.eventfd(0, os.EFD_CLOEXEC)

        def look() -> None:
            os.close(timer)
            with Netlink(NETLINK_ROUTE) as route:
                try:
                    if lives_on(route, int(number[1])):
                        route.act(delete_link(number[0]))
                except OSError as error:
                    if error.errno != errno.ENODEV:
                        raise

        self._loop.limit(timer, _WAIT_TO_DELETE, look)


class _Closing:
    def __init__(self, caller: _socket.socket) -> None:
        self._caller = caller

    def __enter__(self) -> _socket.socket:
        self._caller.settimeout(1.0)
        return self._caller

    def __exit__(self, *_: object) -> None:
        self._caller.close()
