"""Image references and addresses, by the grammar of distribution/reference.

``[HOST[:PORT]/]PATH[:TAG][@DIGEST]``, and Docker's short forms of it: no host means
``docker.io``, and one word there means ``library/`` before it. Written without ``re``, which the
hot path does not load.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.descriptor import parse_digest
from plugrun.model.record import record, replace

DEFAULT_HOST = "docker.io"
DEFAULT_TAG = "latest"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TAG = _ALNUM | frozenset("_.-")
_ADDRESS = frozenset("0123456789abcdefABCDEF:")
_SCHEME = _LOWER | frozenset("-")


@record
class Reference:
    """A name in full: ``host/path`` with a tag, a digest, or both."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository, in full: ``docker.io/library/debian``."""
        return f"{self.host}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as Docker prints it: ``debian``."""
        if self.host != DEFAULT_HOST:
            return self.name
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    @property
    def familiar(self) -> str:
        """The whole reference as Docker prints it: ``debian:12``."""
        return self.familiar_name + self._suffix()

    def __str__(self) -> str:
        return self.name + self._suffix()

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def split_address(text: str) -> tuple[str, str]:
    """Split ``scheme:rest`` into its parts; a plain reference has the scheme ``docker``.

    ``docker://x`` and ``x`` are the same image. ``host:5000/x`` is a reference: a scheme is one
    of ours only if what follows cannot be a tag or port, or if the scheme is reserved.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not scheme or not _SCHEME.issuperset(scheme):
        return "docker", text
    if rest.startswith("//"):
        return scheme, rest[2:]
    if scheme in RESERVED_SCHEMES:
        return scheme, rest
    return "docker", text


# Schemes that are written without `//`; an image of such a name needs its host or tag spelled out.
RESERVED_SCHEMES = frozenset(
    ("host", "docker-archive", "oci-archive", "oci", "dir", "rootfs", "docker-daemon")
)


def parse_reference(text: str, *, default_tag: str = DEFAULT_TAG) -> Reference:
    """Parse a reference; without tag and digest it gets ``default_tag`` (which may be empty).

    Raise InvalidArgument, in Docker's words, on anything outside the grammar.
    """
    if len(text) == 64 and frozenset("0123456789abcdef").issuperset(text):
        raise InvalidArgument(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    rest, _, digest = text.partition("@")
    if "@" in text:
        try:
            parse_digest(digest)
        except InvalidArgument:
            raise _malformed(text) from None
    head, slash, tail = rest.rpartition("/")
    tail, colon, tag = tail.partition(":")
    if colon and not _is_tag(tag):
        raise _malformed(text)
    host, path = _split_host(head + slash + tail)
    _check_path(path, text)
    _check_host(host, text)
    if not tag and not digest:
        tag = default_tag
    return Reference(host, path, tag, digest)


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if slash and is_host:
        host, path = first, rest
    else:
        host, path = DEFAULT_HOST, name
    if host in ("index.docker.io", "docker.io"):
        host = DEFAULT_HOST
        path = path if "/" in path else f"library/{path}"
    return host, path


def _is_tag(tag: str) -> bool:
    return 0 < len(tag) <= 128 and tag[0] not in ".-" and _TAG.issuperset(tag)


def _check_path(path: str, text: str) -> None:
    if path != path.lower():
        raise InvalidArgument(
            f"invalid reference format: repository name ({path}) must be lowercase"
        )
    if len(path) > 255 or not all(_is_component(part) for part in path.split("/")):
        raise _malformed(text)


def _is_component(part: str) -> bool:
    """Words of a-z0-9, joined by one of ``.``, ``_``, ``__`` or any number of ``-``."""
    if not part or part[0] not in _LOWER or part[-1] not in _LOWER:
        return False
    run = ""
    for char in part:
        if char in _LOWER:
            if run and not (run in (".", "_", "__") or set(run) == {"-"}):
                return False
            run = ""
        else:
            run += char
    return True


def _check_host(host: str, text: str) -> None:
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        good = "]" in host and ":" in name and _ADDRESS.issuperset(name)
    else:
        name, colon, port = host.partition(":")
        good, port = all(_is_label(label) for label in name.split(".")), colon + port
    if not good or (port and not _is_port(port)):
        raise _malformed(text)


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()


def _is_label(label: str) -> bool:
    return (
        bool(label)
        and label[0] in _ALNUM
        and label[-1] in _ALNUM
        and (_ALNUM | {"-"}).issuperset(label)
    )


def _malformed(text: str) -> InvalidArgument:
    before, _, after = text.rpartition("@")
    if "/" in after or "://" in before:  # no digest: who names a user there may name a password
        text = after
    return InvalidArgument(
        f'invalid reference format: "{text[:300]}"', hint="write it as [HOST/]NAME[:TAG][@DIGEST]"
    )


def without_tag(reference: Reference) -> Reference:
    """Return the repository alone."""
    return replace(reference, tag="", digest="")
