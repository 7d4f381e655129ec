"""Storage: how layers become a root file system.

Vocabulary
----------
A *snapshot* is a file tree with a *key* and at most one *parent*. It is *active* (may be
written, has one owner), a *view* (read only), or *committed* (never changes again, may be a
parent). Keys are chosen by the core: committed ones are named by ChainID
(``sha256:…``, image-spec config.md), active ones by container ID or by a name for unpacking.
A key is at most 128 characters of ``[A-Za-z0-9:._-]``.

Life of an image's layer::

    prepare("unpack-1", parent=chain_0)          active
    tree = layer_tree("unpack-1")                the core fills tree.path through directory fds
    commit(chain_1, "unpack-1")                  committed; the key "unpack-1" is gone

Life of a container::

    prepare(container_id, parent=top_chain)      active
    mounts(container_id)                         data; isolation performs them
    remove(container_id)

Promises
--------
- Every verb is atomic: killed at any moment it has happened or it has not, and a half-made
  snapshot is invisible to ``stat`` and ``walk``; ``sweep`` frees what it left.
- ``prepare``, ``view`` and ``commit`` to a taken key or name raise AlreadyExists and change
  nothing. Any verb on a missing key raises NoSuchSnapshot. ``remove`` of a parent raises
  Conflict.
- Files written into an active snapshot are synced by who wrote them, before ``commit``; the
  storage makes its own records durable.
- ``mounts`` is pure: it may be asked any number of times, and it touches nothing.
- A mount made from ``mounts`` stays right until its snapshot is removed. Two active snapshots
  of one parent never see each other's writes.
- Ownership, modes with setuid, times to the nanosecond, xattrs, hard links, devices and holes
  survive commit.
- All state lies under the ``root`` the hook received, readable by root alone. It stays valid
  when another backend, or another version of this one, works beside it.

Capabilities
------------
``independent-layers``
    ``prepare`` accepts the key of an active snapshot as parent, ``layer_tree`` holds one layer's
    own entries only, and whiteouts are stored in it as overlayfs has them (where no attributes
    ``trusted.*`` can be set, ``WHITEOUT_USERXATTR`` says so); the parent must be
    committed by the time of ``commit``. Lets all layers of an image unpack at once.
``mountless``
    ``mounts`` are plain binds; nothing needs to be mounted by the kernel's file systems.
``posix-union``
    What is mounted behaves as one POSIX file system, whatever layer a file comes from: folders
    of lower layers can be renamed, names that share a file in a lower layer share it when it is
    written, who reads a file sees what another writes later, and a file keeps its st_ino.
    Without it a rename may give EXDEV, and the first write parts a file from its other names.
``change-times``
    In an active snapshot, a file whose ctime is not after ``Snapshot.created_ns`` has not been
    touched: neither its content nor anything inode(7) lists has changed since the parent. It may
    lie elsewhere only if it is in a folder that was moved, whose own ctime is after then, as is
    that of the folder it was moved into. So what is not new need not be read. The clock may have
    been set back since: a file that differs in size, mode or mtime has changed all the same.
``idmapped``
    Every mount of ``mounts`` may get ``Mount.ids``: it then shows an active snapshot, and takes
    what is written to it, with other owners than those on disk, which ``layer_tree`` and any
    mount without ``ids`` go on to show. Where this machine's kernel or file system cannot do so,
    performing it raises BackendUnavailable.
``whole-images``
    A snapshot of a parent costs a copy of it. The core then unpacks all layers that an image lacks
    into one active snapshot, and commits that under the image's top ChainID alone: chains in
    between have no snapshot.
``packed``
    A committed snapshot is one file: the image of a file system, of the type that ``Mount.images``
    and ``LayerTree.images`` name. It takes other space than the active one did, and
    ``Usage.inodes`` counts those of this disk. The ACL of a file from an image may be refused to
    be changed (ENOTSUP) until the file has been written: so overlayfs does where what is beneath
    cannot be written at all.
"""

from __future__ import annotations

from plugrun.interfaces.backend import Backend
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from plugrun.model.mount import Mount
else:
    Protocol = object

INDEPENDENT_LAYERS = "independent-layers"
MOUNTLESS = "mountless"
POSIX_UNION = "posix-union"
CHANGE_TIMES = "change-times"
WHOLE_IMAGES = "whole-images"
IDMAPPED = "idmapped"
PACKED = "packed"

ACTIVE = "active"
VIEW = "view"
COMMITTED = "committed"

# How a deletion in a layer is written into a LayerTree.
WHITEOUT_UNLINK = "unlink"  # the tree holds the parent's entries too: remove them
WHITEOUT_OVERLAYFS = "overlayfs"  # char device 0:0, and xattr trusted.overlay.opaque=y
WHITEOUT_USERXATTR = "overlayfs-userxattr"  # char device 0:0, and xattr user.overlay.opaque=y


@record
class Snapshot:
    """What ``stat`` and ``walk`` tell: ``kind`` is active, view or committed."""

    key: str
    kind: str
    parent: str | None
    created_ns: int


@record
class Usage:
    """What a snapshot itself takes, without its parents.

    ``bytes`` is space on this disk; ``content`` the sizes of its files, as ``ls -l`` tells them,
    each hard link's once, and -1 if the storage does not know.
    """

    bytes: int
    inodes: int
    content: int = -1


# What may be wrong with a snapshot.
DAMAGED = "damaged"  # its record cannot be read; what that named is not known
MISSING = "missing"  # its files are not where they should be: ``mend`` takes others
BROKEN = "broken"  # a snapshot it stands on is gone with all that was known of it
STRAY = "stray"  # something that belongs to no snapshot; ``sweep`` frees it


@record
class Fault:
    """One thing that ``check`` found: ``key`` is the snapshot's, empty for what is nobody's."""

    kind: str
    key: str
    path: str
    why: str


@record
class LayerTree:
    """Where a layer's entries go while it is unpacked, and how deletions are written there.

    ``lower`` are the folders beneath, nearest first, each like ``path``; empty unless the
    storage has independent layers. A folder that a layer's tar leaves out takes its attributes
    from there. With ``images``, one that is a regular file holds a file system of that type;
    ``plugrun.linux.images.open_layer`` opens both.
    """

    path: str
    whiteouts: str
    lower: tuple[str, ...] = ()
    images: str = ""


class Storage(Backend, Protocol):
    """The verbs over snapshots; see the module's text for the promises."""

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot over ``parent``, or an empty one."""

    def view(self, key: str, parent: str) -> None:
        """Make a read-only snapshot of ``parent``."""

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """Return what to mount, in order, to see an active snapshot or a view."""

    def layer_tree(self, key: str) -> LayerTree:
        """Return where to unpack a layer into an active snapshot."""

    def commit(self, name: str, key: str) -> None:
        """Turn an active snapshot into the committed ``name``; ``key`` is gone afterwards."""

    def remove(self, key: str) -> None:
        """Free a snapshot that is nobody's parent."""

    def stat(self, key: str) -> Snapshot:
        """Return what is known of one snapshot."""

    def walk(self) -> Iterator[Snapshot]:
        """Yield every snapshot, parents before children."""

    def usage(self, key: str) -> Usage:
        """Measure a snapshot's own files."""

    def check(self) -> Iterator[Fault]:
        """Compare records and files, and yield what does not fit; nothing is changed.

        Called while no other command works on this root.
        """

    def mend(self, name: str, key: str) -> None:
        """Give the committed ``name``, whose files are missing or damaged, those of ``key``.

        ``key`` is an active snapshot of the same parent, and gone afterwards; what stands on
        ``name`` stands on the new files. Raise Conflict if the parents differ. Not while anything
        is mounted that stands on ``name``.
        """

    def sweep(self) -> int:
        """Free what killed commands left half-made; return how many pieces.

        Called while no other command works on this root.
        """
