"""What is known of each snapshot: one small file, whose name and folder are its key and kind.

::

    root/
      a/KEY  v/KEY  c/KEY    records of active snapshots, views and committed ones
      l/ID                   a snapshot's own files; ID is short, so that 500 fit one mount call
      w/ID                   the work folder of an active snapshot's union
      p/ID                   empty: an active snapshot that others have been prepared over
      r/ID                   the record of a snapshot whose files are being deleted
      t/…                    what is half made: records, trees, a probe's trial
      lock                   flock(2)ed by every verb that changes records

A record is written in ``t`` and renamed to where it counts; another rename turns an active one
into a committed one or takes it away. Whatever no record names is left over from a killed command.
"""

from __future__ import annotations

import errno
import fcntl
import os

from plugrun.errors import Corrupt, InvalidArgument, NoSpace
from plugrun.interfaces.storage import ACTIVE, COMMITTED, VIEW
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = "1"
FOLDERS = {ACTIVE: "a", VIEW: "v", COMMITTED: "c"}
_ALL_FOLDERS = (*FOLDERS.values(), "l", "w", "p", "r", "t")
_KEY = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:._-")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@record
class SnapshotRecord:
    """One snapshot. ``lower`` are the IDs of those it stands on, nearest first.

    A view that has no files of its own has no ``id``. ``parent`` is the parent's key when this was
    made; a commit may have renamed it since.
    """

    kind: str
    key: str
    id: str
    created_ns: int
    parent: str
    lower: tuple[str, ...]

    def text(self) -> str:
        """Return what stands in the file."""
        words = (_VERSION, self.id, str(self.created_ns), self.parent, ":".join(self.lower), "")
        return "\n".join(words)


class SnapshotRecords:
    """The records beneath one root; nothing is touched before the first lock."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, kind: str, key: str) -> str:
        """Return where a record lies."""
        return f"{self.root}/{FOLDERS[kind]}/{key}"

    def lock(self) -> int:
        """Wait until no other process changes records; closing the descriptor lets go."""
        path = f"{self.root}/lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._make_folders()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def locked(self) -> Locked:
        """Return the lock for the length of a ``with``."""
        return Locked(self)

    def _make_folders(self) -> None:
        os.makedirs(self.root, 0o700, exist_ok=True)
        for name in _ALL_FOLDERS:
            try:
                os.mkdir(f"{self.root}/{name}", 0o700)
            except FileExistsError:
                continue

    def find(self, key: str, kinds: tuple[str, ...] = tuple(FOLDERS)) -> SnapshotRecord | None:
        """Return a snapshot's record if it is of one of these kinds."""
        check_key(key)
        for kind in kinds:
            try:
                fd = os.open(self.path(kind, key), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                return self._parse(kind, key, os.read(fd, 65536))
            finally:
                os.close(fd)
        return None

    def _parse(self, kind: str, key: str, text: bytes) -> SnapshotRecord:
        words = text.decode("ascii", "replace").split("\n")
        if len(words) != 6 or words[0] != _VERSION or not words[2].isdigit():
            raise Corrupt(
                f"the record of snapshot {key} is damaged: {self.path(kind, key)}",
                hint="after a power failure: remove the image or container, and make it anew",
            )
        lower = tuple(words[4].split(":")) if words[4] else ()
        return SnapshotRecord(kind, key, words[1], int(words[2]), words[3], lower)

    def write(self, made: SnapshotRecord) -> None:
        """Make a record count; the caller holds the lock and has seen that the key is free."""
        aside = f"{self.root}/t/{made.kind}-{made.id}-{os.getpid()}"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            try:
                text = made.text().encode("ascii")
                if os.write(fd, text) < len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), aside)
            finally:
                os.close(fd)
            os.rename(aside, self.path(made.kind, made.key))
        except OSError:
            os.unlink(aside)
            raise

    def all(self, *, readable: bool = False) -> Iterator[SnapshotRecord]:
        """Yield every record, in no order; one that goes meanwhile is left out.

        A damaged one raises Corrupt, or is left out if only the ``readable`` are wanted.
        """
        for kind, folder in FOLDERS.items():
            try:
                keys = os.listdir(f"{self.root}/{folder}")
            except FileNotFoundError:
                return
            for key in keys:
                try:
                    found = self.find(key, (kind,))
                except Corrupt:
                    if not readable:
                        raise
                    continue
                if found is not None:
                    yield found

    def new_folder(self) -> str:
        """Make ``l/ID``, an empty folder of mode 0700; return its ID, which nobody else has."""
        length = 4
        while True:
            number = int.from_bytes(os.urandom(length), "big")
            id = ""
            while len(id) < length:
                number, digit = divmod(number, 36)
                id += _DIGITS[digit]
            try:
                os.mkdir(f"{self.root}/l/{id}", 0o700)
            except FileExistsError:
                length += 1  # taken: the short ones run out
                continue
            return id


class Locked:
    """Hold the lock for a block; a full disk, which it may meet, is a NoSpace."""

    def __init__(self, records: SnapshotRecords) -> None:
        self._records = records

    def __enter__(self) -> None:
        try:
            self._fd = self._records.lock()
        except OSError as error:
            self._refuse_full(error)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        os.close(self._fd)
        self._refuse_full(error)

    def _refuse_full(self, error: BaseException | None) -> None:
        """Raise NoSpace for what the kernel says of a full disk."""
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(
                f"the file system of {self._records.root} is full: {error.strerror}",
                hint="free some space (plugrun system prune), or use another --root",
            ) from error


def check_key(key: str) -> None:
    """Raise InvalidArgument unless a key is of the form the storage interface gives."""
    if not 0 < len(key) <= 128 or not _KEY.issuperset(key) or key in (".", ".."):
        raise InvalidArgument(f"not a snapshot key: {key[:200]!r}")
