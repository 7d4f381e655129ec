"""What the last word of ``plugrun build`` names: a folder, an address, or standard input.

Source: docs.docker.com/build/concepts/context; the forms of Git's addresses are Docker's.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

PATH = "path"
URL = "url"
GIT = "git"
STDIN = "stdin"

TAR = "tar"
DOCKERFILE = "dockerfile"

# What begins the archives that Docker unpacks: gzip, bzip2, xz, zstd. Tar has its mark further on.
_PACKED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_TAR_MARK = 257
_WEB = ("http://", "https://")
_OTHER_GIT = ("git://", "ssh://")


@record
class Context:
    """Where the context is: ``address`` is a path or URL; ``ref`` and ``folder`` are Git's."""

    kind: str
    address: str
    ref: str = ""
    folder: str = ""


def context_kind(text: str) -> Context:
    """Return what a word names; raise InvalidArgument on an address that is wrong in itself."""
    if text == "-":
        return Context(STDIN, text)
    address, _, fragment = text.partition("#")
    path = address.partition("?")[0]
    if text.startswith("github.com/") or text.startswith(_OTHER_GIT) or _is_scp(address):
        return _git(address, fragment)
    if text.startswith(_WEB):
        return _git(address, fragment) if path.endswith(".git") else Context(URL, text)
    return Context(PATH, text)


def _git(address: str, fragment: str) -> Context:
    ref, _, folder = fragment.partition(":")
    if address.startswith("github.com/"):
        address = f"https://{address}"
    if ref.startswith("-") or address.startswith("-"):
        raise InvalidArgument(f"invalid git address: {address}#{fragment}")
    if ".." in folder.split("/"):
        raise InvalidArgument(f"invalid folder of a git context: {folder}")
    return Context(GIT, address, ref, folder.strip("/"))


def _is_scp(address: str) -> bool:
    """Say whether this is Git's ``user@host:path``."""
    user, at, rest = address.partition("@")
    host, colon, path = rest.partition(":")
    plain = bool(user) and "/" not in user and bool(host) and "/" not in host
    return bool(at and colon and path) and plain


def stdin_kind(start: bytes) -> str:
    """Say from its first 512 bytes whether an input is an archive or a Dockerfile."""
    if start.startswith(_PACKED) or start[_TAR_MARK : _TAR_MARK + 5] == b"ustar":
        return TAR
    return TAR if _old_tar(start) else DOCKERFILE


def _old_tar(start: bytes) -> bool:
    """Recognise a header older than ``ustar`` by its sum (tar(5))."""
    if len(start) < 512 or not start[0]:
        return False
    digits = start[148:156].strip(b" \x00")
    if not digits or not frozenset(b"01234567").issuperset(digits):
        return False
    return int(digits, 8) == sum(start[:148]) + 8 * 32 + sum(start[156:512])
