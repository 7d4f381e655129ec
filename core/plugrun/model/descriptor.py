"""Content by digest: OCI descriptors and platforms (image-spec descriptor.md, image-index.md)."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_HEX = frozenset("0123456789abcdef")


def parse_digest(text: object) -> str:
    """Return a ``sha256:<64 hex>`` digest as it is; raise InvalidArgument on anything else.

    The one gate for digests from outside: they become file names.
    """
    shaped = isinstance(text, str) and len(text) == 71 and text.startswith("sha256:")
    if isinstance(text, str) and shaped and _HEX.issuperset(text[7:]):
        return text
    shown = repr(text)[:100]
    raise InvalidArgument(f"{shown} is not a digest this version knows (sha256:<64 hex digits>)")


@record
class Descriptor:
    """Content named by digest and size in bytes."""

    media_type: str
    digest: str
    size: int

    def __post_init__(self) -> None:
        parse_digest(self.digest)
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 0:
            raise InvalidArgument(f"{self.digest} has size {self.size!r}, not a number of bytes")


@record
class Platform:
    """An operating system and processor, as in ``linux/arm64/v8``."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


# `uname -m` and other spellings -> Go's names, as image indexes use them.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv8l": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
}

# Of Go's names those that stand alone: what else there is takes its system before it.
_SYSTEMS = frozenset(("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris"))
_ARCHITECTURES = frozenset(("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mipsle"))
_ARCHITECTURES |= {"mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}

# 32-bit arm: a processor runs what was made for its own level and for those after it here.
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")


def parse_platform(text: str) -> Platform:
    """Parse Docker's ``[os/]architecture[/variant]``; raise InvalidArgument if it is none."""
    parts = text.lower().split("/")
    if len(parts) == 1:
        parts = _completed(text, parts[0])
    if not 2 <= len(parts) <= 3 or not all(part.isidentifier() or _word(part) for part in parts):
        raise InvalidArgument(f'"{text}" is not a platform', hint="write it as linux/amd64")
    architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
    if len(parts) == 3:
        variant = parts[2]
    return Platform(parts[0], architecture, _plain_variant(architecture, variant))


def _completed(text: str, word: str) -> list[str]:
    """Return system and architecture where one is said alone, as containerd takes it."""
    if word in _SYSTEMS:
        return [word, host_platform().architecture]
    if word in _MACHINES or word in _ARCHITECTURES:
        return ["linux", word]
    raise InvalidArgument(
        f'"{text}": unknown operating system or architecture', hint="write it as linux/amd64"
    )


def host_platform() -> Platform:
    """Return this machine's platform."""
    import os

    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def _word(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "_.-" for c in text)


def _plain_variant(architecture: str, variant: str) -> str:
    # v8 is what arm64 means when nothing is said, v7 what arm means (containerd platforms).
    if architecture == "arm64" and variant in ("v8", "8"):
        return ""
    if architecture == "arm":
        return variant if variant.startswith("v") else f"v{variant}" if variant else "v7"
    return variant


def platform_order(wanted: Platform) -> tuple[Platform, ...]:
    """Return what runs on a platform, best first: an arm/v7 machine takes v7, v6, then v5."""
    own = Platform(
        wanted.os, wanted.architecture, _plain_variant(wanted.architecture, wanted.variant)
    )
    if own.architecture != "arm":
        return (own,)
    if own.variant not in _ARM_VARIANTS:
        return (own,)
    levels = _ARM_VARIANTS[_ARM_VARIANTS.index(own.variant) :]
    return tuple(Platform(own.os, "arm", level) for level in levels)


def normal_platform(os: str, architecture: str, variant: str) -> Platform:
    """Return a platform as an index writes it, in the spelling this project compares."""
    known, implied = _MACHINES.get(architecture, (architecture, ""))
    return Platform(os, known, _plain_variant(known, variant or implied))
