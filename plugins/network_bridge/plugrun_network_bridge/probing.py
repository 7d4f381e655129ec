"""Whether bridges can work here: a trial in a namespace that nobody sees and nothing outlasts."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, Probe, process

from plugrun_network_bridge import links, ruleset
from plugrun_network_bridge.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, Netlink
from plugrun_network_bridge.nftables import BEGIN, END

_TRIAL = "plugrun-trial"


def probe() -> Probe:
    """Make a bridge, a pair and the whole table in an own namespace, in a process that ends."""
    if os.geteuid() != 0:
        return Probe(False, "bridges need root", "run it as root")
    answer, say = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            os.write(say, _trial().encode())
        finally:
            os._exit(0)
    os.close(say)
    try:
        said = os.read(answer, 4096).decode()
        os.waitpid(child, 0)
    finally:
        os.close(answer)
    if said == "ok":
        return Probe(True, details=(("packet filter", "nf_tables"),))
    reason, _, remedy = (said or "the trial ended without a word").partition("\n")
    return Probe(False, reason, remedy)


def _trial() -> str:
    try:
        process.unshare(process.CLONE_NEWNET)
        _try_links()
        return _try_rules()
    except BackendUnavailable as error:
        return f"{error.message}\n{error.hint}"
    except OSError as error:
        return f"{error.strerror}\nrun it as root with CAP_NET_ADMIN and CAP_SYS_ADMIN"


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


def _try_rules() -> str:
    with Netlink(NETLINK_NETFILTER) as netlink:
        try:
            netlink.batch(ruleset.table(_TRIAL, (), ()), BEGIN, END)
        except OSError as error:
            hint = "modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_inet nft_ct"
            raise BackendUnavailable(f"nf_tables: {error.strerror}", hint=hint) from None
    return "ok"
