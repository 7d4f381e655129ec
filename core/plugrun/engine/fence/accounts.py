"""Who a container runs as: USER resolved against the image's own passwd and group.

Never through NSS: the host's accounts are not the image's, and a lookup inside the container's
root would run the image's code. The formats are passwd(5) and group(5).
"""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument
from plugrun.linux.beneath import open_in_root
from plugrun.model.record import record

_LIMIT = 4 << 20
_MAX_ID = 0xFFFFFFFE
_MOST_DIGITS = 20  # int() refuses 4300; leading zeros are let through


@record
class Accounts:
    """The two files, as bytes; empty if the image has none."""

    passwd: bytes
    group: bytes


@record
class Identity:
    """User, group, further groups in ascending order, and home folder.

    ``supplementary`` is what setgroups(2) gets. The group itself is among them, as in Docker: a
    process that left it by a set-group-ID program would else pass a file mode that keeps it out
    (CVE-2022-36109).
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @property
    def supplementary(self) -> list[int]:
        """The group, and the further groups."""
        return [self.gid, *(gid for gid in self.groups if gid != self.gid)]


def read_accounts(root_fd: int) -> Accounts:
    """Read both files beneath a root; what is no regular file counts as missing."""
    return Accounts(_read(root_fd, "etc/passwd"), _read(root_fd, "etc/group"))


def _read(root_fd: int, path: str) -> bytes:
    try:
        place = open_in_root(root_fd, path, os.O_PATH)
    except OSError:
        # Missing, a loop, or through a file: to the container there is no such file.
        return b""
    try:
        # Looked at before it is opened: no cgroup keeps us from a device that an image made, and
        # to open one can be to act (a watchdog, a tape).
        if not os.path.isfile(f"/proc/self/fd/{place}"):
            return b""
        return _read_file(f"/proc/self/fd/{place}")
    finally:
        os.close(place)


def _read_file(path: str) -> bytes:
    found = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while len(found) < _LIMIT and (chunk := os.read(fd, 65536)):
            found += chunk
    except OSError:
        # A file of /proc or of a volume may refuse to be read: then nobody is listed there.
        return b""
    finally:
        os.close(fd)
    return found


def identify(user: str, accounts: Accounts) -> Identity:
    """Resolve ``name|uid[:name|gid]`` (image-spec config.md) against an image's files.

    A number needs no entry. Further groups are those that list the user, unless a group is given,
    as Docker has it. Raise InvalidArgument, in Docker's words, for a name that is not there.
    """
    wanted, colon, wanted_group = user.partition(":")
    entry = _user_entry(wanted or "0", accounts.passwd)
    if colon and wanted_group:
        gid = _group_id(wanted_group, accounts.group)
        return Identity(entry.uid, gid, (), entry.home)
    groups = _groups_of(entry.name, accounts.group) if entry.name else ()
    return Identity(entry.uid, entry.gid, groups, entry.home)


def with_groups(identity: Identity, wanted: tuple[str, ...], accounts: Accounts) -> Identity:
    """Return who it is with further groups, by name or number, as ``--group-add`` gives them."""
    if not wanted:
        return identity
    added = {_added_group(name, accounts.group) for name in wanted}
    groups = tuple(sorted({*identity.groups, *added}))
    return Identity(identity.uid, identity.gid, groups, identity.home)


def _added_group(wanted: str, group: bytes) -> int:
    try:
        return _group_id(wanted, group)
    except InvalidArgument as error:
        # Docker's words for this option begin with a capital.
        raise InvalidArgument(error.message[:1].upper() + error.message[1:]) from None


@record
class _Entry:
    name: str
    uid: int
    gid: int
    home: str


def _user_entry(wanted: str, passwd: bytes) -> _Entry:
    number = _number(wanted)
    for line in _lines(passwd, 7):
        uid, gid = _listed(line[2]), _listed(line[3])
        if uid is None or gid is None:
            continue
        if line[0] == wanted or (number is not None and uid == number):
            return _Entry(line[0], uid, gid, line[5] or "/")
    if number is None:
        raise InvalidArgument(f"unable to find user {wanted}: no matching entries in passwd file")
    return _Entry("", number, 0, "/")


def _group_id(wanted: str, group: bytes) -> int:
    number = _number(wanted)
    for line in _lines(group, 4):
        gid = _listed(line[2])
        if gid is not None and line[0] == wanted:
            return gid
    if number is None:
        raise InvalidArgument(f"unable to find group {wanted}: no matching entries in group file")
    return number


def _groups_of(name: str, group: bytes) -> tuple[int, ...]:
    found = {
        gid
        for line in _lines(group, 4)
        if name in line[3].split(",") and (gid := _listed(line[2])) is not None
    }
    return tuple(sorted(found))


def _lines(data: bytes, fields: int) -> list[list[str]]:
    split = (line.split(":") for line in data.decode("utf-8", "replace").splitlines())
    return [line for line in split if len(line) >= fields]


def _listed(text: str) -> int | None:
    """Return an ID of a file, or None if it is none: such a line is nobody's."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    value = int(text)
    return value if value <= _MAX_ID else None


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    value = _listed(text)
    if value is None:
        raise InvalidArgument(f"uids and gids must be in range 0-{_MAX_ID}, not {text}")
    return value
