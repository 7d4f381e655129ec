"""What the contract's tests of an isolation stand on."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.interfaces.isolation import Isolation

from plugrun.testing.isolation.bundle import _PR_SET_CHILD_SUBREAPER, Bundle, make_rootfs


class IsolationFixtures:
    """The fixtures of all parts of the contract.

    ``lacks`` are words that the isolation has nowhere among its capabilities. Parts of the contract
    that need one are not there: in CI, a skip would be a failure.
    """

    lacks: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for part in cls.__mro__:
            if cls.lacks & vars(part).get("needs", frozenset()):
                for name in [name for name in vars(part) if name.startswith("test_")]:
                    setattr(cls, name, None)

    @pytest.fixture
    def isolation(self) -> Isolation:
        """Return an opened isolation with an empty state folder."""
        raise NotImplementedError("a subclass provides the fixture `isolation`")

    @pytest.fixture
    def rootfs(self, tmp_path: Any) -> str:
        """Return a root file system of the test's own."""
        path = str(tmp_path / "bundle" / "rootfs")
        make_rootfs(path)
        return path

    @pytest.fixture
    def bundle(self, isolation: Isolation, rootfs: str) -> Iterator[Bundle]:
        """Return the bundle around ``rootfs``; this process is a subreaper meanwhile."""
        if os.geteuid() != 0:
            pytest.skip("isolation needs root")
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        made = Bundle(isolation, os.path.dirname(rootfs))
        try:
            yield made
        finally:
            made.close()
            # Or it would collect the orphans of all tests after this one, and reap none.
            prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
