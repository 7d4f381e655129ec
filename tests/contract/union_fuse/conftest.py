"""A union of three layers.

Where a kernel's newer features are done without, as on an older one, the same must hold.
"""

from __future__ import annotations

import tempfile

import pytest

from tests.contract.union_fuse.union import OLD, Union


@pytest.fixture(params=[0, OLD], ids=["newest", "old"])
def union(request):
    with tempfile.TemporaryDirectory() as base:  # other users get into it
        made = Union(base, request.param)
        yield made
        made.unmount()
