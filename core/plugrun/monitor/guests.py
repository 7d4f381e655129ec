"""Those who attached to a running container: a connection each, over which descriptors pass.

A guest says ``attach`` with the streams it wants (``stdin stdout stderr``) and passes a descriptor
for each output, in that order (SCM_RIGHTS, unix(7)). It is answered ``joined``, with the
descriptor of the container's input if it asked for that and there is one. From then on the monitor
writes to the guest's descriptors and the guest to the container's. The guest says ``end`` when its
input has ended; it is told ``lost STREAM ERRNO`` and, at last, ``exit CODE``. The connection's end
is the guest's.

A command that changes a container's networks comes as a guest, too. It says ``hold`` with
descriptors that only have to stay open, and is answered ``held``; after ``release`` all that
were held are closed, which is answered ``released``.

``_socket`` is loaded when there is a guest: few containers ever have one.
"""

from __future__ import annotations

from sys import byteorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

LONGEST_MESSAGE = 256
STREAMS = ("stdin", "stdout", "stderr")
MOST_DESCRIPTORS = 64  # that come with one message


class Guest:
    """One connection, from the monitor's side; nothing here blocks."""

    def __init__(self, fd: int) -> None:
        from _socket import socket

        self._socket = socket(fileno=fd)
        self._socket.setblocking(False)
        self.fd = fd
        self.joined = self.gives_input = False

    def hear(self) -> tuple[list[str], list[int]]:
        """Return the words of a message and the descriptors with it; no words at the end."""
        try:
            return receive(self._socket)
        except BlockingIOError:
            return ["nothing"], []
        except OSError:
            return [], []

    def tell(self, text: str, *fds: int) -> None:
        """Send a message; who does not listen any more misses it."""
        try:
            send(self._socket, text, *fds)
        except OSError:
            return

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def admit(door: int) -> Guest | None:
    """Return who is at the door, or None if they have gone again."""
    from _socket import socket

    listening = socket(fileno=door)
    listening.setblocking(False)
    try:
        fd, _ = listening._accept()  # type: ignore[attr-defined]
    except OSError:
        return None
    finally:
        listening.detach()
    return Guest(fd)


def send(connection: socket, text: str, *fds: int) -> None:
    """Send a message with descriptors."""
    from _socket import SCM_RIGHTS, SOL_SOCKET

    packed = b"".join(fd.to_bytes(4, byteorder) for fd in fds)
    rights = [(SOL_SOCKET, SCM_RIGHTS, packed)] if fds else []
    connection.sendmsg([text.encode("ascii")], rights)


def receive(connection: socket) -> tuple[list[str], list[int]]:
    """Receive a message as words, and its descriptors, close-on-exec; no words at the end."""
    from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC

    space = CMSG_SPACE(4 * MOST_DESCRIPTORS)
    data, rights, _, _ = connection.recvmsg(LONGEST_MESSAGE, space, MSG_CMSG_CLOEXEC)
    fds = [fd for _, _, packed in rights for fd in memoryview(packed).cast("i")]
    return data.decode("ascii", "replace").split(), fds
