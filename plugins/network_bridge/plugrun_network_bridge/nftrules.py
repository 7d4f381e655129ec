"""The rules of a state folder by nf_tables: one table, made by one transaction; see ``ruleset``."""

from __future__ import annotations

import errno

from plugrun.api import BackendUnavailable

from plugrun_network_bridge import otherfirewalls, ruleset
from plugrun_network_bridge.netlink import NETLINK_NETFILTER, Netlink
from plugrun_network_bridge.nftables import BEGIN, END, add_table, delete_table, get_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun_network_bridge.leases import Lease, Leases

_NO_TABLES = (
    errno.EOPNOTSUPP,
    errno.EPROTONOSUPPORT,
    errno.EAFNOSUPPORT,
    errno.EINVAL,
    errno.ENOENT,
)


class NoTables(BackendUnavailable):
    """This kernel has no nf_tables, or lacks what the rules are made of."""


class NftRules:
    """All rules of one state folder. Callers hold the lock of the leases."""

    def __init__(self, leases: Leases, owner: str) -> None:
        self._leases = leases
        self._owner = owner
        self._table = table_name(owner)

    @property
    def name(self) -> str:
        """What the rules are called in messages."""
        return f"the table inet {self._table}"

    def ensure(self, bridge: str) -> bool:
        """Make what is missing; say whether anything was. NoTables if this kernel cannot."""
        try:
            with Netlink(NETLINK_NETFILTER) as netlink:
                whole = ruleset.is_whole(netlink, self._table, bridge)
                if not whole:
                    self._make_table(netlink)
                self._let_through(netlink, bridge)
        except OSError as error:
            raise refused(error) from None
        return not whole

    def _let_through(self, netlink: Netlink, bridge: str) -> None:
        """What fails here says nothing of the kernel: others change their chains meanwhile."""
        try:
            otherfirewalls.let_through(netlink, bridge, self._owner)
        except OSError as error:
            raise BackendUnavailable(
                f"other firewalls' rules cannot be added to: {error.strerror}"
            ) from None

    def is_whole(self, bridge: str) -> bool:
        """Whether nothing is missing for a bridge."""
        try:
            with Netlink(NETLINK_NETFILTER) as netlink:
                return ruleset.is_whole(netlink, self._table, bridge)
        except OSError as error:
            if error.errno in _NO_TABLES:
                return False
            raise

    def publish(self, lease: Lease) -> None:
        """Lead a container's ports to it; its lease is written."""
        messages = ruleset.add_ports(self._table, ruleset.published(lease), exclusive=True)
        if messages:
            with _netfilter() as netlink:
                netlink.batch(messages, BEGIN, END)

    def conceal(self, lease: Lease) -> None:
        """Lead a container's ports there no more; its lease is there still."""
        messages = [ruleset.delete_port(self._table, one) for one in ruleset.published(lease)]
        if not messages:
            return
        with _netfilter() as netlink:
            if not _was_there(netlink, messages):
                for one in messages:
                    _was_there(netlink, (one,))

    def withdraw(self, bridge: str) -> None:
        """Take back what other firewalls were told of a bridge."""
        try:
            with Netlink(NETLINK_NETFILTER) as netlink:
                otherfirewalls.withdraw(netlink, bridge, self._owner)
        except OSError as error:
            raise refused(error) from None

    def renew(self) -> None:
        """Make the table say what the leases say; without any network there is none."""
        if not self._leases.networks():
            self.remove()
            return
        with _netfilter() as netlink:
            self._make_table(netlink)

    def remove(self) -> None:
        """Remove all of it; it can be repeated."""
        with _netfilter() as netlink:
            # Making it first spares the question whether it is there.
            netlink.batch((add_table(self._table), delete_table(self._table)), BEGIN, END)

    def is_there(self) -> bool:
        """Whether there is anything of it."""
        try:
            with Netlink(NETLINK_NETFILTER) as netlink:
                netlink.ask(get_table(self._table))
        except OSError as error:
            if error.errno in _NO_TABLES:
                return False
            raise
        return True

    def _make_table(self, netlink: Netlink) -> None:
        networks = [ruleset.fenced(network) for network in self._leases.networks()]
        ports = [one for lease in self._leases.all() for one in ruleset.published(lease)]
        try:
            netlink.batch(ruleset.table(self._table, networks, ports), BEGIN, END)
        except OSError as error:
            raise refused(error) from None


def table_name(owner: str) -> str:
    """Return what the table of a state folder is called."""
    return f"plugrun-{owner}"


def refused(error: OSError) -> BackendUnavailable:
    """Return what to say of rules that the kernel does not take."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return BackendUnavailable("this process may not change packet filters", hint="be root")
    if error.errno in _NO_TABLES:
        hint = "modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_inet nft_ct"
        return NoTables(f"nf_tables does not work here: {error.strerror}", hint=hint)
    return BackendUnavailable(f"the rules cannot be made: {error.strerror}")


def _was_there(netlink: Netlink, messages: Sequence[bytes]) -> bool:
    """Have things removed, all or none; say whether all were there."""
    try:
        netlink.batch(messages, BEGIN, END)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def _netfilter() -> Netlink:
    try:
        return Netlink(NETLINK_NETFILTER)
    except OSError as error:
        raise refused(error) from None
