"""Every reader against its corpus, and against what comes of the corpus when it is damaged.

``corpus/READER`` is kept: the seeds, and each input that a reader once failed on (this test puts
it there). ``PLUGRUN_FUZZ=100000`` sets how many examples are tried, for an evening's run.
"""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugrun.cli.output import harmless
from plugrun.errors import PlugrunError

from tests.unit.fuzz.readers import READERS, SEEDS

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
EXAMPLES = int(os.environ.get("PLUGRUN_FUZZ", "60"))
LONGEST = 1500


def seeds(name: str) -> dict[str, bytes]:
    found = {}
    folders = {name, getattr(SEEDS, name, name)}
    for folder in sorted(each for each in folders if os.path.isdir(f"{CORPUS}/{each}")):
        for entry in sorted(os.listdir(f"{CORPUS}/{folder}")):
            with open(f"{CORPUS}/{folder}/{entry}", "rb") as file:
                found[f"{folder}/{entry}"] = file.read()
    return found


def tried(name: str, data: bytes) -> None:
    """Give bytes to a reader: it returns, or raises one error of ours that can be shown."""
    try:
        READERS[name](data)
    except PlugrunError as error:
        assert len(error.message) < LONGEST, error.message
        shown = harmless(error.message).replace("\n", " ").replace("\t", " ")
        assert all(c.isprintable() or "\udc80" <= c <= "\udcff" for c in shown), repr(shown)


KEPT = [(name, entry) for name in READERS for entry in seeds(name)]


@pytest.mark.parametrize(("name", "entry"), KEPT, ids=[f"{n}-{e}" for n, e in KEPT])
def test_the_corpus(name, entry):
    tried(name, seeds(name)[entry])


@st.composite
def damaged(draw, originals: list[bytes]) -> bytes:
    """Return one of the originals, or two joined, with pieces changed, moved and removed."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 600))
        kind = draw(st.sampled_from(("change", "insert", "remove", "repeat", "join", "number")))
        if kind == "change":
            new = draw(st.binary(max_size=12))
            data[at : at + len(new)] = new
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=40))
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length] * draw(st.integers(1, 5))
        elif kind == "join":
            data[at:] = draw(st.sampled_from(originals))[at:]
        else:
            numbers = (
                b"-1",
                b"0",
                b"99999999999999999999",
                b"1e999",
                b"null",
                b"[",
                b"\xff",
                b"77",
            )
            data[at:at] = draw(st.sampled_from(numbers))
    if draw(st.booleans()):
        _mend(data)
    return bytes(data)


def _mend(data: bytearray) -> None:
    """Give what looks like tar headers a right checksum, so that more than that is read."""
    for at in range(0, min(len(data), 64 * 512) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            block = data[at : at + 512]
            block[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(block)


@pytest.mark.parametrize("name", READERS)
def test_damage_is_an_error_of_ours_or_harmless(name):
    originals = list(seeds(name).values())

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(damaged(originals) | st.binary(max_size=300))
    def one(data: bytes) -> None:
        try:
            tried(name, data)
        except BaseException:
            _keep(name, data)
            raise

    one()


def _keep(name: str, data: bytes) -> None:
    """Keep what failed: hypothesis makes it smaller, and the last one stands for them all."""
    path = f"{CORPUS}/{name}/failed-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
