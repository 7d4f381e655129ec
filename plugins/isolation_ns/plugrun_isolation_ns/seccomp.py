"""The spec's ``linux.seccomp`` as a BPF program, kept in a cache by its content.

Promises: a filter that the spec asks for is installed or the container is refused. Names that no
architecture knows are skipped, as libseccomp does. A call whose number is in no table of its
architecture gets ENOSYS where a known one would get an error: programs probe for new calls and
fall back on ENOSYS only. x32 calls and other architectures never pass.
"""

from __future__ import annotations

import os

from plugrun.api import dumps, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Part of the cache's key: raise it when the compiler's output changes.
_VERSION = b"1"
# struct sock_filter; and what every filter ends with: BPF_RET, SECCOMP_RET_KILL_PROCESS.
_SIZE = 8
_LAST = bytes((0x06, 0, 0, 0, 0, 0, 0, 0x80))


def program(profile: dict[str, Any] | None, cache: str) -> bytes:
    """Return the filter as an array of struct sock_filter; empty for no filter."""
    if not profile:
        return b""
    # blake2 is always built in; hashlib would load OpenSSL.
    from _blake2 import blake2b

    text = dumps(profile).encode()
    key = blake2b(text + os.uname().machine.encode() + _VERSION, digest_size=16).hexdigest()
    path = os.path.join(cache, key)
    try:
        with open(path, "rb", 0) as stream:
            kept = stream.read()
        # A power failure may leave the name and not the bytes, and no bytes would be no filter.
        if is_whole(kept):
            return kept
    except FileNotFoundError:
        pass
    from plugrun_isolation_ns.seccomp_compiler import compile_filter

    body = compile_filter(profile, os.uname().machine)
    os.makedirs(cache, 0o700, exist_ok=True)
    filesystem.write_whole(path, body)
    return body


def is_whole(body: bytes) -> bool:
    """Whether this is a filter: instructions, the last of which returns, as all of ours end."""
    return len(body) >= _SIZE and len(body) % _SIZE == 0 and body.endswith(_LAST)
