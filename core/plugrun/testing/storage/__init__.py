"""The contract every storage fulfils; see ``plugrun.interfaces.storage``.

To use it, subclass and say how to open one::

    from plugrun.testing.storage import StorageSuite as Contract

    class TestMyStorage(Contract):
        @pytest.fixture
        def open_storage(self):
            return plugrun_open_storage  # called with the root alone

It needs root. Everything is judged by what is seen through the mounts, performed in a child with
mounts of its own. Override the fixture ``root_path`` to put the state on a certain file system.
"""

from __future__ import annotations

from plugrun.testing.storage.crashes import CrashContract
from plugrun.testing.storage.damage import DamageContract
from plugrun.testing.storage.idmapped import IdmappedContract
from plugrun.testing.storage.inside import InsideContract
from plugrun.testing.storage.kept import KeepingContract
from plugrun.testing.storage.layering import LayeringContract
from plugrun.testing.storage.life import LifeContract
from plugrun.testing.storage.misfortunes import MisfortuneContract
from plugrun.testing.storage.refusals import RefusalContract
from plugrun.testing.storage.seen import ViewContract
from plugrun.testing.storage.unions import UnionContract
from plugrun.testing.storage.untouched import UntouchedContract


class StorageSuite(
    LifeContract,
    RefusalContract,
    ViewContract,
    KeepingContract,
    InsideContract,
    IdmappedContract,
    LayeringContract,
    UnionContract,
    UntouchedContract,
    CrashContract,
    DamageContract,
    MisfortuneContract,
):
    """All of the contract."""
