"""Names of containers: for those that were given none, an adjective and somebody worth
remembering."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_QUALITIES = _words(
    "able airy amber ample apt avid bold brave brisk calm candid civil clear clever cosy "
    "curious daring deft eager early earnest easy exact fair fond frank free fresh gentle glad "
    "golden grand handy happy hardy honest humble ideal jolly just keen kind lively loyal lucid "
    "lucky mellow merry mild modest neat nimble noble open patient placid plain polite prompt "
    "proud quick quiet rapid ready regal ripe robust rosy serene sharp shiny silent simple "
    "sincere sleek smart snug sober solid spry steady subtle sunny sure swift tender thrifty "
    "tidy trim true upbeat vast vivid warm wise witty worthy zesty "
)
_PEOPLE = _words(
    "allen archimedes babbage bartik bell boole borg bose brown cannon carson cerf chandra "
    "clarke cori curie darwin dijkstra dirac easley edison einstein elion engelbart euclid "
    "euler faraday fermat fermi feynman franklin galileo gauss germain goldberg goodall "
    "hamilton hawking heisenberg hertz hodgkin hopper hypatia jemison johnson kalam kare keller "
    "kepler knuth kowalevski lamarr leavitt leibniz liskov lovelace maxwell mayer mccarthy "
    "mclean meitner mendel mirzakhani moore morse napier newton nobel noether pascal pasteur "
    "perlman pike planck ptolemy raman ritchie rubin saha shannon sinoussi snyder stallman "
    "swartz tesla thompson torvalds turing villani volhard wescoff wilson wing wright yalow "
    "yonath "
)


def random_name() -> str:
    """Return a name such as ``brisk_hopper``; another container may have it."""
    first, second = os.urandom(2), os.urandom(2)
    quality = _QUALITIES[int.from_bytes(first) % len(_QUALITIES)]
    return f"{quality}_{_PEOPLE[int.from_bytes(second) % len(_PEOPLE)]}"


def check_name(name: str) -> None:
    """Raise InvalidArgument unless this can be a container's name (without Docker's slash)."""
    if len(name) < 2 or name[0] not in _LETTERS or not (_LETTERS | set("_.-")).issuperset(name):
        raise InvalidArgument(
            f"Invalid container name (/{name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
