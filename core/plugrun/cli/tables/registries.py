"""Commands about registries as servers."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, INT, STRING, Command, Option
from plugrun.cli.tables.shared import COMMON, FORMAT, NO_TRUNC

LOGIN = Command(
    "login",
    "[OPTIONS] [SERVER]",
    "Log in to a registry",
    (
        Option("password", STRING, "Password or access token", "p", ""),
        Option("password-stdin", FLAG, "Read the password or access token from standard input"),
        Option("username", STRING, "User name", "u", ""),
    ),
    most=1,
    verb="login",
    section=COMMON,
)

LOGOUT = Command(
    "logout",
    "[SERVER]",
    "Log out from a registry",
    (),
    most=1,
    verb="logout",
    section=COMMON,
)

SEARCH = Command(
    "search",
    "[OPTIONS] TERM",
    "Search a registry for images",
    (
        Option("filter", FILTER, "Only what fits KEY=VALUE (stars, is-official)", "f"),
        FORMAT,
        Option("limit", INT, "At most this many results", default=0),
        NO_TRUNC,
    ),
    least=1,
    most=1,
    verb="search",
    section=COMMON,
)

REGISTRY_TAGS = Command(
    "registry tags",
    "NAME",
    "List the tags of a repository",
    (),
    least=1,
    most=1,
    verb="registry_tags",
)

REGISTRY_REFERRERS = Command(
    "registry referrers",
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "List what refers to an image: signatures, SBOMs, attestations",
    (
        FORMAT,
        NO_TRUNC,
        Option("type", STRING, "Only those of this artifact type", default=""),
    ),
    least=1,
    most=1,
    verb="registry_referrers",
)

REGISTRY_RM = Command(
    "registry rm",
    "NAME:TAG|NAME@DIGEST [NAME:TAG|NAME@DIGEST...]",
    "Delete tags, or images by digest with all their tags, from a registry",
    (),
    least=1,
    verb="registry_rm",
)

TABLES = (LOGIN, LOGOUT, SEARCH, REGISTRY_TAGS, REGISTRY_REFERRERS, REGISTRY_RM)
