"""Whether bridges can work here: a trial in a namespace that nobody sees and nothing outlasts."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, Probe, process

from plugrun_network_bridge import links, ruleset
from plugrun_network_bridge.firewall import IPTABLES, programs_instead
from plugrun_network_bridge.iptrules import IptablesRules, needed_programs
from plugrun_network_bridge.leases import Leases
from plugrun_network_bridge.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, Netlink
from plugrun_network_bridge.nftables import BEGIN, END
from plugrun_network_bridge.nftrules import NoTables, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_network_bridge.iptables import Programs

_TRIAL = "plugrun-trial"


def probe(firewall: str = "") -> Probe:
    """Make a bridge, a pair and all rules in an own namespace, in a process that ends.

    ``firewall`` is what is to make the rules; empty for what works.
    """
    if os.geteuid() != 0:
        return Probe(False, "bridges need root", "run it as root")
    answer, say = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            os.write(say, _trial(firewall).encode())
        finally:
            os._exit(0)
    os.close(say)
    try:
        said = os.read(answer, 4096).decode()
        os.waitpid(child, 0)
    finally:
        os.close(answer)
    worked, _, text = said.partition("\n")
    if worked == "ok":
        return Probe(True, details=(("packet filter", text),))
    reason, _, remedy = (text or "the trial ended without a word").partition("\n")
    return Probe(False, reason, remedy)


def _trial(firewall: str) -> str:
    try:
        process.unshare(process.CLONE_NEWNET)
        _try_links()
        return f"ok\n{_try_rules(firewall)}"
    except BackendUnavailable as error:
        return f"no\n{error.message}\n{error.hint}"
    except OSError as error:
        return f"no\n{error.strerror}\nrun it as root with CAP_NET_ADMIN and CAP_SYS_ADMIN"


def _try_links() -> None:
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with Netlink(NETLINK_ROUTE) as route:
        try:
            route.act(*links.new_bridge(_TRIAL, "", b"\2\0\0\0\0\1", 0))
            bridge = links.find_link(route, _TRIAL)
            route.act(links.new_veth("trial", bridge.index, own, "inner", b"\2\0\0\0\0\2", 0))
        except OSError as error:
            reason = f"this kernel makes no bridge or no veth: {error.strerror}"
            raise BackendUnavailable(reason, hint="modprobe -a bridge veth") from None


def _try_rules(firewall: str) -> str:
    """Return by what rules are made here."""
    if firewall == IPTABLES:
        return _try_iptables(needed_programs(v6=False))
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            netlink.batch(ruleset.table(_TRIAL, (), ()), BEGIN, END)
    except OSError as error:
        lacking = refused(error)
        if firewall or not isinstance(lacking, NoTables):
            raise lacking from None
        return f"{_try_iptables(programs_instead(lacking))}: {lacking.message}"
    return "nf_tables"


def _try_iptables(programs: Programs) -> str:
    IptablesRules(Leases("/nonexistent"), _TRIAL).ensure("")
    return programs.name
