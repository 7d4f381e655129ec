"""Which volumes ``ls`` shows and ``prune`` takes."""

from __future__ import annotations

import pytest
from plugrun.cli.volumefilter import prune_filter, volumes_filter
from plugrun.errors import InvalidArgument
from plugrun.model.volume import ANONYMOUS, Volume

NAMED = Volume("data", 1, labels=(("a", "b"), ("c", "")))
LONE = Volume("0" * 64, 1, labels=((ANONYMOUS, ""),))


@pytest.mark.parametrize(
    ("texts", "named", "lone"),
    [
        ((), True, True),
        (("dangling=true",), False, True),
        (("dangling=0",), True, False),
        (("name=at",), True, False),
        (("name=^ata",), False, False),
        (("name=data", "name=00"), True, True),
        (("driver=local",), True, True),
        (("driver=nfs",), False, False),
        (("label=a",), True, False),
        (("label=a=b", "label=c"), True, False),
        (("label=a=x",), False, False),
        (("label=c=",), True, False),
        (("label=a", "name=00"), False, False),
    ],
)
def test_ls(texts, named, lone):
    passes = volumes_filter(texts)
    assert (passes(NAMED, False), passes(LONE, True)) == (named, lone)


@pytest.mark.parametrize(
    ("texts", "all_volumes", "named", "lone"),
    [
        ((), False, False, True),
        ((), True, True, True),
        (("all=1",), False, True, True),
        (("all=false",), False, False, True),
        (("label=a",), True, True, False),
        (("label!=a=b",), True, False, True),
        (("label!=a=x",), True, True, True),
    ],
)
def test_prune(texts, all_volumes, named, lone):
    passes = prune_filter(texts, all_volumes)
    assert (passes(NAMED), passes(LONE)) == (named, lone)


@pytest.mark.parametrize("text", ["foo=1", "dangling=maybe", "name=("])
def test_wrong_ones(text):
    with pytest.raises(InvalidArgument, match="invalid filter"):
        volumes_filter([text])
    with pytest.raises(InvalidArgument, match="invalid filter"):
        prune_filter(["all=perhaps"], False)
