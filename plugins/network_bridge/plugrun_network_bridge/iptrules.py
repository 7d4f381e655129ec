"""The rules of a state folder by iptables, where nf_tables is not there; see ``ruleset``.

They say the same, but as rules of chains, one for each network and port, in chains of their own:
``PLUGRUN-<tag>-…``. One rule in each of the kernel's chains leads there; nothing else of those is
changed. Each change writes the own chains anew, out of the leases: a kill leaves a table as it was
before or as it is after, and the next one makes it right.
"""

from __future__ import annotations

from plugrun.api import BackendUnavailable, record

from plugrun_network_bridge.iptables import find_programs, restore, saved
from plugrun_network_bridge.links import GROUP
from plugrun_network_bridge.nftrules import NftRules, NoTables
from plugrun_network_bridge.ruleset import fenced, published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun_network_bridge.iptables import Programs, Rules
    from plugrun_network_bridge.leases import Lease, Leases
    from plugrun_network_bridge.ruleset import Fenced, Published

_EVERY = ("", "0.0.0.0", "::")  # noqa: S104
_ANSWERS = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
_LOCAL = "-m addrtype --dst-type LOCAL"
# Whence each of the own chains is gone to: the kernel's chain, and for which packets.
_WAYS = {
    ("raw", "GUARD"): (("PREROUTING", ""),),
    ("nat", "DNAT"): (("PREROUTING", _LOCAL), ("OUTPUT", _LOCAL)),
    ("nat", "SNAT"): (("POSTROUTING", ""),),
    ("nat", "BACK"): (),
    ("filter", "FWD"): (("FORWARD", ""),),
    ("filter", "FROM"): (),
    ("filter", "TO"): (),
}


@record
class _Family:
    """One of IPv4 and IPv6, with what the leases say of it."""

    v6: bool
    programs: Programs
    networks: tuple[Fenced, ...]
    ports: tuple[Published, ...]


class IptablesRules:
    """All rules of one state folder. Callers hold the lock of the leases."""

    def __init__(self, leases: Leases, owner: str) -> None:
        self._leases = leases
        self._before = NftRules(leases, owner)
        self._head = f"PLUGRUN-{owner}-"

    @property
    def name(self) -> str:
        """What the rules are called in messages."""
        return f"the chains {self._head}*"

    def ensure(self, bridge: str) -> bool:
        """Make what is missing, for all bridges; say whether anything was."""
        missing = self._missing()
        for family in missing:
            self._make(family)
        return bool(missing)

    def is_whole(self, bridge: str) -> bool:
        """Whether nothing is missing, for any bridge."""
        return not self._missing()

    def _missing(self) -> list[_Family]:
        return [one for one in self._families() if not self._is_whole(one)]

    def publish(self, lease: Lease) -> None:
        """Lead a container's ports to it; its lease is written."""
        if lease.ports:
            self._make_all(self._leases.all())

    def conceal(self, lease: Lease) -> None:
        """Lead a container's ports there no more; its lease is there still."""
        if not lease.ports:
            return
        own = lease.container_id, lease.network_id
        rest = [one for one in self._leases.all() if (one.container_id, one.network_id) != own]
        self._make_all(rest)

    def withdraw(self, bridge: str) -> None:
        """Take back what other firewalls were told while nf_tables made the rules."""
        try:
            self._before.withdraw(bridge)
        except NoTables:
            return

    def renew(self) -> None:
        """Make the chains say what the leases say; without any network there are none."""
        if self._leases.networks():
            self._make_all(self._leases.all())
        else:
            self.remove()

    def remove(self) -> None:
        """Remove all of it; it can be repeated."""
        for v6 in (False, True):
            programs = find_programs(v6=v6)
            if programs is not None:
                self._remove(programs)

    def is_there(self) -> bool:
        """Whether there is anything of it."""
        programs = find_programs(v6=False)
        return programs is not None and any(self._is_own(chain) for _, chain in saved(programs))

    def _remove(self, programs: Programs) -> None:
        present = saved(programs)
        tables: dict[str, list[str]] = {}
        for (table, _), rules in present.items():
            led = [rule for rule in rules if self._leads_here(rule)]
            tables.setdefault(table, []).extend([f"-D{rule[2:]}" for rule in led])
        for verb in ("-F", "-X"):  # those that others go to are emptied first
            for table, chain in present:
                if self._is_own(chain):
                    tables[table].append(f"{verb} {chain}")
        tables = {table: lines for table, lines in tables.items() if lines}
        if tables:
            restore(programs, tables)

    def _make_all(self, leases: Iterable[Lease]) -> None:
        for family in self._families(tuple(leases)):
            self._make(family)

    def _families(self, leases: tuple[Lease, ...] | None = None) -> list[_Family]:
        networks = tuple([fenced(network) for network in self._leases.networks()])
        leases = tuple(self._leases.all()) if leases is None else leases
        ports = [one for lease in leases for one in published(lease)]
        return [
            _Family(
                v6,
                needed_programs(v6=v6),
                networks,
                tuple([one for one in ports if (":" in one.target) == v6]),
            )
            for v6 in (False, True)
            if not v6 or any(network.v6 for network in networks)
        ]

    def _make(self, family: _Family) -> None:
        present = saved(family.programs)
        tables: dict[str, list[str]] = {}
        wanted = self._chains(family)
        for table, chain in wanted:  # empties those that are there
            tables.setdefault(table, []).append(f":{chain} - [0:0]")
        for (table, chain), rules in wanted.items():
            tables[table] += [f"-A {chain} {rule}" for rule in rules]
        for table, chain, matched, target in self._ways():
            if not _is_led(present.get((table, chain), []), target):
                tables[table].append(f"-I {chain} {matched} -j {target}")
        restore(family.programs, tables)

    def _is_whole(self, family: _Family) -> bool:
        present = saved(family.programs)
        chains = all(
            len(present.get(place, [])) == len(rules) and place in present
            for place, rules in self._chains(family).items()
        )
        return chains and all(
            _is_led(present.get((table, chain), []), target)
            for table, chain, _, target in self._ways()
        )

    def _ways(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield table and chain of the kernel's, which packets, and the chain they go to."""
        for (table, own), ways in _WAYS.items():
            for chain, matched in ways:
                yield table, chain, matched, self._head + own

    def _chains(self, family: _Family) -> Rules:
        made = {
            "GUARD": _guard(family),
            "DNAT": _publish(family),
            "SNAT": _outbound(family, self._head),
            "BACK": _back(family),
            "FWD": _fence(family, self._head),
            "FROM": _from_bridges(family),
            "TO": [_ANSWERS, "-m conntrack --ctstate DNAT -j ACCEPT", "-j DROP"],
        }
        return {(table, self._head + own): made[own] for table, own in _WAYS}

    def _is_own(self, chain: str) -> bool:
        return chain.startswith(self._head)

    def _leads_here(self, rule: str) -> bool:
        words = rule.split()
        return self._is_own(words[-1]) and not self._is_own(words[1])


def needed_programs(*, v6: bool) -> Programs:
    """Return the programs of a family; BackendUnavailable without."""
    found = find_programs(v6=v6)
    if found is None:
        name = "ip6tables" if v6 else "iptables"
        raise BackendUnavailable(
            f"there is no {name} here: no {name}-save and {name}-restore",
            hint="apt install iptables; or load nf_tables: modprobe nf_tables",
        )
    return found


def _is_led(rules: list[str], target: str) -> bool:
    return any(rule.endswith(f" -j {target}") for rule in rules)


def _guard(family: _Family) -> list[str]:
    """See ``ruleset``: nobody else's packets for 127.0.0.0/8 (CVE-2020-8558)."""
    return [] if family.v6 else ["! -i lo -d 127.0.0.0/8 -j DROP"]


def _publish(family: _Family) -> list[str]:
    rules = ["-d ::1/128 -j RETURN"] if family.v6 else []
    # Those at one address come before those at every one.
    return rules + sorted(
        map(_led_inside, family.ports), key=lambda rule: not rule.startswith("-d")
    )


def _led_inside(published: Published) -> str:
    port, target = published.port, published.target
    shown = f"[{target}]" if ":" in target else target
    at = "" if port.host_address in _EVERY else f"-d {port.host_address} "
    return (
        f"{at}-p {port.protocol} -m {port.protocol} --dport {port.host_port} "
        f"-j DNAT --to-destination {shown}:{port.port}"
    )


def _outbound(family: _Family, head: str) -> list[str]:
    onto = [f"-o {network.bridge} -g {head}BACK" for network in family.networks]
    return onto + [f"-s {block} -j MASQUERADE" for block in _blocks(family)]


def _back(family: _Family) -> list[str]:
    loopback = [] if family.v6 else ["-s 127.0.0.0/8 -j MASQUERADE"]
    translated = "-m conntrack --ctstate DNAT -j MASQUERADE"
    return loopback + [f"-s {block} {translated}" for block in _blocks(family)]


def _blocks(family: _Family) -> list[str]:
    found = [block for network in family.networks for block in network.masqueraded]
    return [str(block) for block in found if block.v6 == family.v6]


def _fence(family: _Family, head: str) -> list[str]:
    bridges = [network.bridge for network in family.networks]
    return [
        *[f"-i {name} -o {name} -j ACCEPT" for name in bridges],
        *[f"-i {name} -g {head}FROM" for name in bridges],
        *[f"-o {name} -g {head}TO" for name in bridges],
    ]


def _from_bridges(family: _Family) -> list[str]:
    """What leaves is accepted, as others may have set the policy to DROP (Docker does)."""
    inside = [network.bridge for network in family.networks if network.internal]
    return [
        _ANSWERS,
        *[f"-i {name} -j DROP" for name in inside],
        "-m conntrack --ctstate DNAT -j ACCEPT",
        f"-m devgroup --dst-group {GROUP:#x} -j DROP",
        "-j ACCEPT",
    ]
