"""By what a state folder's rules are made: nf_tables, or iptables where that is not there.

What was chosen holds as long as there are networks, so that no packet meets the rules of both: the
file ``firewall`` in the state folder stands for iptables. The option ``firewall`` of a profile
changes it.
"""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, filesystem

from plugrun_network_bridge.hostbridge import bridge_name
from plugrun_network_bridge.iptables import find_programs
from plugrun_network_bridge.iptrules import IptablesRules
from plugrun_network_bridge.nftrules import NftRules, NoTables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_network_bridge.iptables import Programs
    from plugrun_network_bridge.leases import Leases

NFTABLES, IPTABLES = "nftables", "iptables"
MARK = "firewall"  # the file's name


def use_iptables(leases: Leases, owner: str) -> IptablesRules:
    """Let iptables make the rules from now on; what nf_tables had goes once they are there."""
    rules, other = IptablesRules(leases, owner), NftRules(leases, owner)
    try:
        _ensure_all(leases, rules)
    except BackendUnavailable:
        rules.remove()
        raise
    if other.is_there():
        other.remove()
    filesystem.write_whole(f"{leases.state}/{MARK}", b"")
    return rules


def use_nftables(leases: Leases, owner: str) -> NftRules:
    """Let nf_tables make the rules from now on; what iptables had goes once they are there."""
    rules = NftRules(leases, owner)
    _ensure_all(leases, rules)
    IptablesRules(leases, owner).remove()
    filesystem.unlink(f"{leases.state}/{MARK}")
    return rules


def _ensure_all(leases: Leases, rules: IptablesRules | NftRules) -> None:
    """Make rules for all networks: what was there serves until then, and if it cannot be done."""
    for network in leases.networks():
        rules.ensure(bridge_name(network))


def fall_back(leases: Leases, owner: str, lacking: NoTables) -> tuple[IptablesRules, str]:
    """Return rules by iptables, and what to say of it; BackendUnavailable without any."""
    programs = programs_instead(lacking)
    said = f"{lacking.message}: the rules are made by {programs.name}"
    return use_iptables(leases, owner), said


def programs_instead(lacking: NoTables) -> Programs:
    """Return the programs of iptables; BackendUnavailable without."""
    programs = find_programs(v6=False)
    if programs is None:
        raise BackendUnavailable(
            f"{lacking.message}, and there is no iptables",
            hint=f"{lacking.hint}; or apt install iptables",
        )
    return programs


def forget(leases: Leases) -> None:
    """Choose anew for the next network, as there is none now."""
    path = f"{leases.state}/{MARK}"
    if os.path.exists(path):
        filesystem.unlink(path)
