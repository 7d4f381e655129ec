"""The contract every isolation fulfils; see ``plugrun.interfaces.isolation``.

To use it, subclass and provide the fixtures::

    from plugrun.testing.isolation import IsolationSuite as Contract

    class TestMyIsolation(Contract):
        lacks = frozenset((USER_NAMESPACES,))  # words it has nowhere; nothing, if left out

        @pytest.fixture
        def isolation(self):  # opened with an empty state folder
            ...

It needs root. Everything is judged by its effect inside a container. The fixture ``rootfs`` is a
small root made of a static busybox where there is one, and else of this machine's own programs.
"""

from __future__ import annotations

from plugrun.testing.isolation.bundle import Bundle, default_spec
from plugrun.testing.isolation.commands import CommandContract
from plugrun.testing.isolation.early import EarlyContract
from plugrun.testing.isolation.fence import FenceContract
from plugrun.testing.isolation.hostile import HostileContract
from plugrun.testing.isolation.life import LifeContract
from plugrun.testing.isolation.limits import LimitContract
from plugrun.testing.isolation.living import LivingContract
from plugrun.testing.isolation.served import ServedContract
from plugrun.testing.isolation.sharing import SharingContract
from plugrun.testing.isolation.sight import SightContract
from plugrun.testing.isolation.userns import UserNamespaceContract, UserNamespaceRefusal

__all__ = ["Bundle", "IsolationSuite", "default_spec"]


class IsolationSuite(
    LifeContract,
    EarlyContract,
    SightContract,
    FenceContract,
    CommandContract,
    LimitContract,
    LivingContract,
    SharingContract,
    ServedContract,
    HostileContract,
    UserNamespaceRefusal,
    UserNamespaceContract,
):
    """All of the contract."""
