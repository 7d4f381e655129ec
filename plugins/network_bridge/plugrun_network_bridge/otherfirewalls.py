"""Firewalls of others that drop what is forwarded: Docker's, ufw's, anybody's by iptables.

A packet must pass all tables, so that no rule of ours helps against the policy DROP of the chain
FORWARD, which Docker sets when it starts. What helps is a rule for each direction of a bridge, in
DOCKER-USER, which Docker leaves to others, or else in FORWARD itself, where Docker and Podman
put theirs, too. That lets nothing through that the own table does not: a drop there is final.

iptables keeps its rules in nf_tables since 1.8; its older form, ``iptables-legacy``, is changed by
its program, where that is in use.
"""

from __future__ import annotations

import errno
import os

from plugrun_network_bridge import nftables as nft
from plugrun_network_bridge.netlink import attributes, be32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun_network_bridge.netlink import Netlink

_TABLE, _CHAIN, _FOR_OTHERS = "filter", "FORWARD", "DOCKER-USER"
_LEGACY = {nft.IPV4: "ip_tables_names", nft.IPV6: "ip6_tables_names"}
_PROGRAMS = {nft.IPV4: "iptables-legacy", nft.IPV6: "ip6tables-legacy"}
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin")


def let_through(netlink: Netlink, bridge: str, owner: str) -> None:
    """See to it that what our own rules allow a bridge is not dropped by iptables' policy."""
    for family in (nft.IPV4, nft.IPV6):
        _tell(netlink, family, bridge, owner)
        if _is_legacy(family):
            _legacy(family, bridge, _comment(bridge, owner), remove=False)


def _tell(netlink: Netlink, family: int, bridge: str, owner: str) -> None:
    """Add the rules where they are missing; look again if the chain went meanwhile."""
    for last in (False, False, True):
        chain = _dropping(netlink, family)
        if not chain or list(_handles(netlink, family, chain, _comment(bridge, owner))):
            return
        try:
            _insert(netlink, family, chain, bridge, owner)
        except OSError as error:
            if error.errno != errno.ENOENT or last:
                raise
        else:
            return


def withdraw(netlink: Netlink, bridge: str, owner: str) -> None:
    """Take back the rules for a bridge."""
    comment = _comment(bridge, owner)
    for family in (nft.IPV4, nft.IPV6):
        for chain in (_FOR_OTHERS, _CHAIN):
            found = list(_handles(netlink, family, chain, comment))
            if found:
                gone = [nft.delete_rule(family, _TABLE, chain, handle) for handle in found]
                netlink.batch(gone, nft.BEGIN, nft.END)
        if _is_legacy(family):
            _legacy(family, bridge, comment, remove=True)


def _comment(bridge: str, owner: str) -> str:
    return f"plugrun-{owner} {bridge}"


def _dropping(netlink: Netlink, family: int) -> str:
    """Return the chain to put rules into; empty if nothing is dropped."""
    if _policy(netlink, family, _CHAIN) != be32(nft.DROP):
        return ""
    return _CHAIN if _policy(netlink, family, _FOR_OTHERS) is None else _FOR_OTHERS


def _policy(netlink: Netlink, family: int, chain: str) -> bytes | None:
    """Return a chain's policy, empty if it has none; None if there is no such chain."""
    try:
        _, body = netlink.ask(nft.get_chain(_TABLE, chain, family))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            return None
        raise
    return attributes(body, 4).get(nft.CHAIN_POLICY, b"")


def _handles(netlink: Netlink, family: int, chain: str, comment: str) -> Iterator[bytes]:
    if _policy(netlink, family, chain) is None:
        return
    wanted = comment.encode() + b"\0"
    for body in netlink.dump(nft.get_rules(family, _TABLE, chain)):
        found = attributes(body, 4)
        in_chain = found.get(2) == chain.encode() + b"\0"
        if in_chain and found.get(nft.RULE_USERDATA, b"").endswith(wanted):
            yield found[nft.RULE_HANDLE]


def _insert(netlink: Netlink, family: int, chain: str, bridge: str, owner: str) -> None:
    rules = []
    for key in (nft.IIFNAME, nft.OIFNAME):
        name = nft.meta(key, _R1), nft.is_equal(bridge.encode() + b"\0", _R1)
        steps = *name, nft.counter(), nft.verdict(nft.ACCEPT)
        comment = _comment(bridge, owner)
        rules.append(nft.insert_rule(family, _TABLE, chain, comment, *steps))
    netlink.batch(rules, nft.BEGIN, nft.END)


_R1 = 1  # NFT_REG_1, which iptables expects


def _is_legacy(family: int) -> bool:
    """Whether iptables-legacy has a filter table: it tells without making one."""
    try:
        with open(f"/proc/thread-self/net/{_LEGACY[family]}", encoding="ascii") as names:
            return _TABLE in names.read().split()
    except OSError:
        return False


def _legacy(family: int, bridge: str, comment: str, *, remove: bool) -> None:
    """Add the rules that are missing, or remove those that are there."""
    program = _program(_PROGRAMS[family])
    if not program:
        return
    listed = _run(program, "-S", _CHAIN)[1]
    if not remove and f"-P {_CHAIN} DROP" not in listed:
        return
    chain = _FOR_OTHERS if _run(program, "-S", _FOR_OTHERS)[0] == 0 else _CHAIN
    for direction in ("-i", "-o"):
        rule = (chain, direction, bridge, "-m", "comment", "--comment", comment, "-j", "ACCEPT")
        there = _run(program, "-C", *rule)[0] == 0
        if remove and there:
            _run(program, "-D", *rule)
        elif not remove and not there:
            _run(program, "-I", *rule)


def _program(name: str) -> str:
    places = [f"{folder}/{name}" for folder in _FOLDERS]
    return next((path for path in places if os.access(path, os.X_OK)), "")


def _run(program: str, *words: str) -> tuple[int, str]:
    import subprocess

    done = subprocess.run([program, "-w", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout
