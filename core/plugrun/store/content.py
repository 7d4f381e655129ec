"""Content by digest: blobs as in an OCI layout (image-spec image-layout.md).

::

    <root>/oci-layout
    <root>/blobs/sha256/<hex>    whole: size and digest were verified, and the bytes are on disk
    <root>/ingest/<hex>          on its way, or whole and not yet published

What is interrupted stays in ``ingest``; the next ``receive`` of the same digest hashes it again
and asks its source for the rest only. Folders are 0700, files 0600.
"""

from __future__ import annotations

import errno
import os
from _thread import allocate_lock

from plugrun.errors import Corrupt, DigestMismatch, NoSpace, NotFound
from plugrun.model.descriptor import parse_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from plugrun.model.descriptor import Descriptor

    Fetch = Callable[[int], Iterable[bytes]]
    Progress = Callable[[int], None]

SMALL = 8 << 20
_CHUNK = 1 << 20
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_NEW = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class ContentStore:
    """Blobs under one root; opening it touches nothing."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._making = allocate_lock()
        self._made: set[str] = set()  # hashed by this process while it wrote them
        self._blobs = f"{root}/blobs/sha256"
        self._ingest = f"{root}/ingest"

    # -- reading --------------------------------------------------------------------------

    def path(self, digest: str) -> str:
        """Return where a published blob lies, whether it is there or not."""
        return f"{self._blobs}/{parse_digest(digest)[7:]}"

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether a blob is published, and of this size."""
        try:
            found = os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def open(self, digest: str) -> int:
        """Return a descriptor to read a published blob; raise NotFound if there is none."""
        try:
            return os.open(self.path(digest), _READ)
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in the store") from None

    def read(self, digest: str, limit: int = SMALL) -> bytes:
        """Return a whole small blob, verified; raise Corrupt if it is over ``limit`` bytes."""
        fd = self.open(digest)
        try:
            size = os.fstat(fd).st_size
            if size > limit:
                raise Corrupt(f"blob {digest} has {size} bytes, over the limit of {limit}")
            data = b"".join(iter(lambda: os.read(fd, _CHUNK), b""))
        finally:
            os.close(fd)
        if digest_of(data) != digest:
            raise DigestMismatch(
                f"blob {digest} in {self._blobs} was changed or damaged",
                hint="remove the image and pull it again",
            )
        return data

    def is_whole(self, digest: str) -> bool:
        """Whether a published blob's bytes have its digest; all of it is read. Raise NotFound."""
        import hashlib

        hasher, fd = hashlib.sha256(), self.open(digest)
        try:
            while piece := os.read(fd, _CHUNK):
                hasher.update(piece)
        finally:
            os.close(fd)
        return f"sha256:{hasher.hexdigest()}" == digest

    def walk(self) -> Iterator[str]:
        """Yield the digest of every published blob."""
        try:
            names = os.listdir(self._blobs)
        except FileNotFoundError:
            return
        for name in names:
            if len(name) == 64:
                yield f"sha256:{name}"

    # -- writing --------------------------------------------------------------------------

    def ingest(
        self, descriptor: Descriptor, fetch: Fetch, progress: Progress | None = None
    ) -> None:
        """Take in a blob so that it survives a power failure: ``receive`` and ``publish``."""
        if not self.has(descriptor.digest, descriptor.size):
            self.receive(descriptor, fetch, progress)
            self.publish(descriptor.digest)

    def receive(
        self, descriptor: Descriptor, fetch: Fetch, progress: Progress | None = None
    ) -> str:
        """Take in a blob and verify it; return its path aside, where ``publish`` finds it.

        ``fetch(offset)`` yields the bytes from there on: ``offset`` is what an earlier attempt
        left. ``progress`` hears how many bytes are here. Raise DigestMismatch on other bytes or
        more or fewer of them, and NoSpace on a full disk; what is there then is removed. After any
        other error it stays for the next attempt. Who comes while another receives the same blob
        waits, and takes what that one got; the path is that of the published blob if it is one.
        """
        self._make_folders()
        path = f"{self._ingest}/{descriptor.digest[7:]}"
        fd = _open_locked(path)
        try:
            if self.has(descriptor.digest, descriptor.size):
                _remove(path)
                return self.path(descriptor.digest)
            if descriptor.digest in self._made and os.fstat(fd).st_size == descriptor.size:
                return path
            try:
                Reception(fd, descriptor, fetch, progress or _ignore).run()
            except (DigestMismatch, NoSpace):
                _remove(path)
                raise
        finally:
            os.close(fd)
        return path

    def publish(self, digest: str, *, durable: bool = True) -> None:
        """Give a received blob its place; it does not matter if it already has it.

        ``durable=False`` is for a caller who has synced the file system since ``receive``.
        """
        aside, path = f"{self._ingest}/{parse_digest(digest)[7:]}", self.path(digest)
        try:
            if durable:
                _sync(aside)
            os.rename(aside, path)
        except FileNotFoundError:
            if not self.has(digest):
                raise
            return
        if durable:
            _sync(self._blobs)

    def received(self, digest: str) -> str:
        """Return the path of a blob that is published or was received."""
        path = self.path(digest)
        return path if os.path.exists(path) else f"{self._ingest}/{digest[7:]}"

    def add(self, descriptor: Descriptor, data: bytes) -> None:
        """Take in a blob that is at hand."""
        self.ingest(descriptor, lambda offset: (data[offset:],))

    def begin(self) -> tuple[int, str]:
        """Return a new file, to be written and read, and its path: a blob that is being made.

        ``received_as`` makes it a received blob. Whoever gives up removes it; what a killed
        command leaves goes with ``discard_partial``.
        """
        self._make_folders()
        path = f"{self._ingest}/made-{os.getpid()}-{os.urandom(8).hex()}"
        return os.open(path, _NEW | os.O_EXCL, 0o600), path

    def received_as(self, digest: str, path: str) -> None:
        """Let what ``begin`` made be what ``receive`` finds; the caller has hashed it meanwhile."""
        os.rename(path, f"{self._ingest}/{parse_digest(digest)[7:]}")
        self._made.add(digest)

    def is_made(self, digest: str) -> bool:
        """Whether this process made a blob (``received_as``) that has no place yet."""
        return digest in self._made and os.path.exists(f"{self._ingest}/{digest[7:]}")

    # -- removing -------------------------------------------------------------------------

    def remove(self, digest: str) -> int:
        """Remove a blob; return the bytes it took, 0 if it was not there."""
        path = self.path(digest)
        try:
            size = os.stat(path).st_size
            os.unlink(path)
        except FileNotFoundError:
            return 0
        return size

    def walk_partial(self) -> Iterator[str]:
        """Yield the digest of every blob that is on its way, or was left there."""
        try:
            names = os.listdir(self._ingest)
        except FileNotFoundError:
            return
        for name in names:
            if len(name) == 64:
                yield f"sha256:{name}"

    def partial(self) -> list[str]:
        """Return the names of all files in ``ingest``, blobs or parts of them."""
        try:
            return os.listdir(self._ingest)
        except FileNotFoundError:
            return []

    def discard(self, digest: str) -> None:
        """Remove what has been received of a blob, unless somebody is receiving it."""
        import fcntl

        path = f"{self._ingest}/{parse_digest(digest)[7:]}"
        try:
            fd = os.open(path, _READ)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        except BlockingIOError:
            return
        finally:
            os.close(fd)

    def discard_partial(self) -> int:
        """Remove everything in ``ingest``; return how many. Nobody may be receiving."""
        try:
            names = os.listdir(self._ingest)
        except FileNotFoundError:
            return 0
        for name in names:
            os.unlink(f"{self._ingest}/{name}")
        return len(names)

    def _make_folders(self) -> None:
        if os.path.isdir(self._ingest) and os.path.exists(f"{self.root}/oci-layout"):
            return
        from plugrun.linux.filesystem import make_private, write_whole

        # A pull's threads receive their first blobs at once, and would write aside to one name.
        with self._making:
            for folder in (self._blobs, self._ingest):
                make_private(folder)
            write_whole(f"{self.root}/oci-layout", _LAYOUT)


class Reception:
    """One blob coming in to an open file."""

    def __init__(self, fd: int, descriptor: Descriptor, fetch: Fetch, progress: Progress) -> None:
        self._fd = fd
        self._descriptor = descriptor
        self._fetch = fetch
        self._progress = progress

    def run(self) -> None:
        """Go on from what the file has; if that turns out to be other bytes, start anew once."""
        offset = min(os.fstat(self._fd).st_size, self._descriptor.size)
        try:
            self._receive(offset)
        except DigestMismatch:
            if not offset:
                raise
            self._receive(0)

    def _receive(self, offset: int) -> None:
        import hashlib

        digest, size = self._descriptor.digest, self._descriptor.size
        os.ftruncate(self._fd, offset)
        os.lseek(self._fd, 0, os.SEEK_SET)
        hasher = hashlib.sha256()
        while chunk := os.read(self._fd, _CHUNK):
            hasher.update(chunk)
        self._progress(offset)
        if offset < size or not size:
            for chunk in self._fetch(offset):
                offset += len(chunk)
                if offset > size:
                    raise DigestMismatch(f"blob {digest} has more than the {size} bytes announced")
                hasher.update(chunk)
                self._write(chunk)
                self._progress(offset)
        if offset != size:
            raise DigestMismatch(f"blob {digest} ended after {offset} of {size} bytes")
        found = f"sha256:{hasher.hexdigest()}"
        if found != digest:
            raise DigestMismatch(f"blob {digest} has other content: its digest is {found}")

    def _write(self, chunk: bytes) -> None:
        try:
            done = os.write(self._fd, chunk)
            while done < len(chunk):
                done += os.write(self._fd, memoryview(chunk)[done:])
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NoSpace(
                f"no space left to store blob {self._descriptor.digest}",
                hint="free some space, or remove images that are not used",
            ) from None


def digest_of(data: bytes) -> str:
    """Return a small document's digest, without loading OpenSSL if the interpreter can do so."""
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # Python 3.11
    except ImportError:
        try:
            from _sha2 import sha256  # type: ignore[no-redef,import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256
    return f"sha256:{sha256(data).hexdigest()}"


def _open_locked(path: str) -> int:
    """Open a file that is on its way, alone; not one that was published or removed meanwhile."""
    import fcntl

    while True:
        fd = os.open(path, _NEW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink and os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _remove(path: str) -> None:
    """Remove a file that is on its way; whoever received it at the same time may have moved it."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _sync(path: str) -> None:
    fd = os.open(path, _READ)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _ignore(count: int) -> None:
    pass
