"""Addresses on the web, as messages may show them.

A user and password may stand in one (RFC 3986, 3.2.1), and its query may be a signature: neither is
for a log. What is no address may hold them too, in places that no rule foresees.
"""

from __future__ import annotations

import re

_LONGEST = 500
_END_OF_AUTHORITY = re.compile(r"[/?#\\]")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]+)?")
_LOGIN = re.compile(r"(?<=//)[^\s/?#]*@")


def shown_url(url: str) -> str:
    """Return an address without user, password, query and fragment, and not endless."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    host, path = _split(rest)
    if "@" in path and not _HOST.fullmatch(host):  # a password with a slash in it, unquoted
        host, path = _split(rest.rpartition("@")[2])
    text = f"{scheme}{mark}{host}{re.split('[?#]', path, maxsplit=1)[0]}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def without_logins(text: str) -> str:
    """Return somebody else's words, without the users and passwords of addresses in them."""
    return _LOGIN.sub("", text)


def _split(rest: str) -> tuple[str, str]:
    """Return a host, and what follows it."""
    found = _END_OF_AUTHORITY.search(rest)
    end = found.start() if found else len(rest)
    return rest[:end].rpartition("@")[2], rest[end:]
