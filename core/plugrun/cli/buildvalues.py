"""Values of ``build``'s options that are BuildKit's, and what is said of those that are absent."""

from __future__ import annotations

import os
import stat

from plugrun.errors import InvalidArgument, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_INLINE = "BUILDKIT_INLINE_CACHE"
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))


def fields_of(name: str, text: str) -> dict[str, str]:
    """Return ``KEY=VALUE,...`` as it stands in CSV; raise UsageError for a field that is none."""
    import csv

    found = {}
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error:
        raise UsageError(f'invalid argument "{text}" for "--{name}" flag: it is no CSV') from None
    for field in fields:
        key, equals, value = field.partition("=")
        if not equals:
            raise UsageError(
                f'invalid argument "{text}" for "--{name}" flag: invalid field {field!r} must be '
                "a key=value pair"
            )
        found[key.strip().lower()] = value
    return found


def is_true(name: str, text: str, value: str) -> bool:
    """Return a field's truth value; raise UsageError if it is none."""
    if value not in _TRUE | _FALSE:
        raise UsageError(f'invalid argument "{text}" for "--{name}" flag: {value!r} is no boolean')
    return value in _TRUE


# -- agents -------------------------------------------------------------------------------


def agents(
    texts: tuple[str, ...],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return the agents of ``--ssh`` by ID, and the files of keys to make one of by ID.

    A text is ``ID``, for the agent of this process, ``ID=SOCKET``, or ``ID=KEY,...``.
    """
    sockets, keys = [], []
    for text in texts:
        id, _, value = text.partition("=")
        paths = value.split(",") if value else [os.environ.get("SSH_AUTH_SOCK", "")]
        if not all(paths):
            raise InvalidArgument("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set")
        kinds = [_kind(text, path) for path in paths]
        if kinds == [stat.S_IFSOCK]:
            sockets.append((id or "default", os.path.abspath(paths[0])))
        elif set(kinds) == {stat.S_IFREG}:
            keys.append((id or "default", tuple(map(os.path.abspath, paths))))
        else:
            raise InvalidArgument(
                f"--ssh {text}: neither one socket of an agent nor files of keys",
                hint="write it as ID, ID=SOCKET or ID=KEY,KEY",
            )
    return tuple(sockets), tuple(keys)


def _kind(text: str, path: str) -> int:
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except OSError as error:
        raise InvalidArgument(f"--ssh {text}: {path}: {error.strerror}") from None


# -- caches that travel -------------------------------------------------------------------


def cache_image(text: str) -> str:
    """Return the image that ``--cache-from`` names, nothing if it names something else."""
    if "=" not in text:
        return text
    fields = fields_of("cache-from", text)
    if fields.get("type", "registry") != "registry":
        return ""
    if not fields.get("ref"):
        raise UsageError(f'invalid argument "{text}" for "--cache-from" flag: it has no ref')
    return fields["ref"]


def is_inline(v: Mapping[str, Any], arguments: Mapping[str, str]) -> bool:
    """Whether the image is to have its cache in it; BuildKit takes a build argument for it, too."""
    kinds = [fields_of("cache-to", text).get("type") for text in v["cache_to"] if "=" in text]
    return "inline" in kinds or arguments.get(_INLINE, "") in _TRUE


# -- what is not there --------------------------------------------------------------------


def without_effect(v: Mapping[str, Any]) -> list[str]:
    """Return warnings of what is taken, as it changes no image, and does nothing here."""
    found = []
    for text in v["cache_from"]:
        if "=" in text and not cache_image(text):
            found.append(f"--cache-from {text} has no effect: only images bring a cache along")
    for text in v["cache_to"]:
        kind = fields_of("cache-to", text).get("type", "") if "=" in text else "registry"
        if kind != "inline":
            found.append(
                f"--cache-to {text} has no effect: this machine keeps every step; type=inline puts "
                "into the image what --cache-from needs elsewhere"
            )
    return found


def refuse_absent(v: Mapping[str, Any]) -> None:
    """Refuse what BuildKit or Docker would do and a build here does not; each says what to do."""
    for name in ("provenance", "sbom"):
        if v[name] and v[name] not in _FALSE:
            raise _no_attestations(name, v[name])
    for text in v["attest"]:
        if fields_of("attest", text).get("disabled", "") not in _TRUE:
            raise _no_attestations("attest", text)
    for text in v["build_context"]:
        raise InvalidArgument(
            f"--build-context {text}: there are no named contexts",
            hint="COPY --from takes a stage of the Dockerfile or an image: FROM IMAGE AS NAME",
        )
    for text in v["allow"]:
        if text.startswith("security.insecure"):
            raise InvalidArgument(
                f"--allow {text}: every RUN has the fence of a container",
                hint="leave it out, and RUN --security=insecure as well",
            )
    if v["check"] or v["call"] not in ("", "build"):
        raise InvalidArgument(
            "a Dockerfile is checked only while it is built",
            hint="leave --check or --call out: a build shows all warnings, and "
            "# check=error=true in the first line makes them errors",
        )
    _refuse_classic(v)


def _refuse_classic(v: Mapping[str, Any]) -> None:
    if v["isolation"] not in ("", "default"):
        raise InvalidArgument(
            f"--isolation {v['isolation']}: on Linux there is only default",
            hint="what fences RUN in is the profile's isolation: plugrun --profile NAME build",
        )
    for text in v["security_opt"]:
        raise InvalidArgument(
            f"--security-opt {text}: RUN has the defaults of a container",
            hint="leave it out",
        )
    if v["memory_swap"]:
        raise InvalidArgument(
            "--memory-swap: RUN may swap as much as it may have memory", hint="say --memory alone"
        )


def _no_attestations(name: str, value: str) -> InvalidArgument:
    return InvalidArgument(
        f"--{name} {value}: attestations are not made",
        hint="leave it out, or say --provenance=false --sbom=false",
    )
