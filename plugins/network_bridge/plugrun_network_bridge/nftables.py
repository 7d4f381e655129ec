"""nf_tables by hand: tables, chains, sets and the expressions that rules are made of.

The kernel's interface (include/uapi/linux/netfilter/nf_tables.h) is stable, and a transaction of
it costs a tenth of starting the ``nft`` program, which need not even be installed.
"""

from __future__ import annotations

from struct import Struct

from plugrun_network_bridge.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    attribute,
    be32,
    message,
    nested,
    text,
    u32,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = 0, 1, 2, 3, 4
_NEWRULE, _GETRULE, _DELRULE, _NEWSET, _NEWSETELEM, _GETSETELEM, _DELSETELEM = (
    6,
    7,
    8,
    9,
    12,
    13,
    14,
)
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
INET, IPV4, IPV6 = 1, 2, 10  # NFPROTO_*
_HEAD = Struct(">BBH").pack

PREROUTING, FORWARD, OUTPUT, POSTROUTING = 0, 2, 3, 4  # NF_INET_*
RAW, DSTNAT, FILTER, SRCNAT = -300, -100, 0, 100  # NF_IP_PRI_*

IFNAME, IPV4_ADDR, IPV6_ADDR, PROTOCOL, SERVICE = 41, 7, 8, 12, 13  # nft's numbers of its types
INTERVAL, MAP = 0x4, 0x8
_INTERVAL_END = 0x1

_HOST_ORDER = b"\0\4" + u32(1)  # how nft is to print keys (NFTNL_UDATA_SET_KEYBYTEORDER)
_VERDICT, R0 = 0, 8  # NFT_REG_VERDICT, NFT_REG32_00: sixteen registers of four bytes
DROP, ACCEPT, RETURN = 0, 1, -5
_JUMP = -3
IIFNAME, OIFNAME, NFPROTO, L4PROTO, OIFGROUP = 6, 7, 15, 16, 22  # NFT_META_*
_SIGNED = Struct(">i").pack

BEGIN = message(_BATCH_BEGIN, 0, _HEAD(0, 0, 10))
END = message(_BATCH_END, 0, _HEAD(0, 0, 10))


def _request(kind: int, flags: int, *parts: bytes, family: int = INET) -> bytes:
    return message(_SUBSYSTEM | kind, flags, _HEAD(family, 0, 0), *parts)


def concatenated(*types: int) -> int:
    """Return nft's number for a key of several types one behind the other."""
    number = 0
    for one in types:
        number = number << 6 | one
    return number


def add_table(table: str) -> bytes:
    """Make a table; one that is there stays."""
    return _request(_NEWTABLE, NLM_F_CREATE, text(1, table))


def delete_table(table: str) -> bytes:
    """Remove a table with all that is in it."""
    return _request(_DELTABLE, 0, text(1, table))


def get_table(table: str) -> bytes:
    """Ask for a table; ENOENT if there is none."""
    return _request(_GETTABLE, 0, text(1, table))


def add_chain(table: str, chain: str) -> bytes:
    """Make a chain that rules of others jump to."""
    return _request(_NEWCHAIN, NLM_F_CREATE, text(1, table), text(3, chain))


def add_base_chain(table: str, chain: str, kind: str, hook: int, priority: int) -> bytes:
    """Make a chain that packets come to at a hook; what it does not decide is accepted."""
    where = nested(4, attribute(1, be32(hook)), attribute(2, _SIGNED(priority)))
    parts = text(1, table), text(3, chain), where, text(7, kind), attribute(5, be32(ACCEPT))
    return _request(_NEWCHAIN, NLM_F_CREATE, *parts)


def get_chain(table: str, chain: str, family: int = INET) -> bytes:
    """Ask for a chain; ENOENT if there is none."""
    return _request(_GETCHAIN, 0, text(1, table), text(3, chain), family=family)


CHAIN_POLICY, CHAIN_USE = 5, 6  # attributes of the answer


def add_rule(table: str, chain: str, *expressions: bytes) -> bytes:
    """Append a rule."""
    listed = nested(4, *[attribute(1 | 0x8000, one) for one in expressions])
    append = 0x800
    return _request(_NEWRULE, NLM_F_CREATE | append, text(1, table), text(2, chain), listed)


def insert_rule(family: int, table: str, chain: str, comment: str, *expressions: bytes) -> bytes:
    """Put a rule before all others of a chain, with a comment that iptables shows, too."""
    listed = nested(4, *[attribute(1 | 0x8000, one) for one in expressions])
    note = comment.encode() + b"\0"
    said = attribute(7, bytes((0, len(note))) + note)  # NFTNL_UDATA_RULE_COMMENT
    where = text(1, table), text(2, chain)
    return _request(_NEWRULE, NLM_F_CREATE, *where, listed, said, family=family)


def get_rules(family: int, table: str, chain: str) -> bytes:
    """Ask for the rules of a chain."""
    return _request(_GETRULE, 0, text(1, table), text(2, chain), family=family)


RULE_HANDLE, RULE_USERDATA = 3, 7  # attributes of an answer


def delete_rule(family: int, table: str, chain: str, handle: bytes) -> bytes:
    """Remove the rule of that handle."""
    parts = text(1, table), text(2, chain), attribute(3, handle)
    return _request(_DELRULE, 0, *parts, family=family)


def add_set(table: str, name: str, key: tuple[int, int], *, flags: int = 0) -> bytes:
    """Make a set; a key is nft's number of its type, and a size in bytes."""
    return _request(_NEWSET, NLM_F_CREATE, *_named_set(table, name, flags, key))


def add_map(table: str, name: str, key: tuple[int, int], data: tuple[int, int]) -> bytes:
    """Make a map from keys to data, given alike."""
    kinds = attribute(6, be32(data[0])), attribute(7, be32(data[1]))
    return _request(_NEWSET, NLM_F_CREATE, *_named_set(table, name, MAP, key), *kinds)


def _named_set(table: str, name: str, flags: int, key: tuple[int, int]) -> tuple[bytes, ...]:
    # The number is one by which the transaction could name the set; nothing here does.
    kinds = attribute(4, be32(key[0])), attribute(5, be32(key[1])), attribute(10, be32(1))
    shown = attribute(13, _HOST_ORDER) if key[0] == IFNAME else b""
    return text(1, table), text(2, name), attribute(3, be32(flags)), *kinds, shown


def element(key: bytes, data: bytes = b"") -> bytes:
    """Return an element of a set, or with ``data`` of a map."""
    value = nested(2, attribute(1, data)) if data else b""
    return nested(1, nested(1, attribute(1, key)), value)


def interval(first: bytes, last: bytes) -> tuple[bytes, ...]:
    """Return the elements that stand for all keys from ``first`` to ``last``."""
    if last.count(255) == len(last):
        return (element(first),)  # no key is behind it
    behind = (int.from_bytes(last, "big") + 1).to_bytes(len(last), "big")
    end = nested(1, nested(1, attribute(1, behind)), attribute(3, be32(_INTERVAL_END)))
    return element(first), end


def add_elements(table: str, name: str, elements: Iterable[bytes], *, exclusive: bool) -> bytes:
    """Put elements into a set; EEXIST for one that is there if they are to be ``exclusive``."""
    flags = NLM_F_CREATE | NLM_F_EXCL if exclusive else NLM_F_CREATE
    return _request(_NEWSETELEM, flags, text(1, table), text(2, name), nested(3, *elements))


def delete_elements(table: str, name: str, elements: Iterable[bytes]) -> bytes:
    """Take elements out of a set; ENOENT for one that is not there."""
    return _request(_DELSETELEM, 0, text(1, table), text(2, name), nested(3, *elements))


def get_element(table: str, name: str, key: bytes) -> bytes:
    """Ask for an element of a set; ENOENT if there is none."""
    return _request(_GETSETELEM, 0, text(1, table), text(2, name), nested(3, element(key)))


def expression(name: str, *attributes: bytes) -> bytes:
    """Return a step of a rule."""
    return text(1, name) + nested(2, *attributes)


def meta(key: int, register: int = R0) -> bytes:
    """Load what the kernel knows of a packet beside its bytes."""
    return expression("meta", attribute(2, be32(key)), attribute(1, be32(register)))


def network_header(offset: int, size: int, register: int = R0) -> bytes:
    """Load bytes of the IP header."""
    return _payload(1, offset, size, register)


def destination_port(register: int = R0) -> bytes:
    """Load the port, which lies at the same place for TCP, UDP and SCTP."""
    return _payload(2, 2, 2, register)


def _payload(base: int, offset: int, size: int, register: int) -> bytes:
    where = attribute(2, be32(base)), attribute(3, be32(offset)), attribute(4, be32(size))
    return expression("payload", attribute(1, be32(register)), *where)


def is_equal(value: bytes, register: int = R0, *, negated: bool = False) -> bytes:
    """Go on only if a register has a value, or if ``negated`` another."""
    data = nested(3, attribute(1, value))
    operator = attribute(2, be32(int(negated)))
    return expression("cmp", attribute(1, be32(register)), operator, data)


def masked(mask: bytes, register: int = R0) -> bytes:
    """Keep only some bits of a register."""
    same = attribute(1, be32(register)), attribute(2, be32(register))
    kept = nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(len(mask))))
    return expression("bitwise", *same, attribute(3, be32(len(mask))), *kept)


def conntrack(key: int, register: int = R0) -> bytes:
    """Load what connection tracking knows: NFT_CT_STATE or NFT_CT_STATUS."""
    return expression("ct", attribute(2, be32(key)), attribute(1, be32(register)))


def destination_type(register: int = R0) -> bytes:
    """Load which kind of route leads to the destination (RTN_LOCAL …)."""
    addrtype, daddr = 3, 2
    what = attribute(2, be32(addrtype)), attribute(3, be32(daddr))
    return expression("fib", attribute(1, be32(register)), *what)


def is_in(name: str, register: int = R0, *, negated: bool = False) -> bytes:
    """Go on only if a set has the key in the registers, or if ``negated`` has not."""
    parts = text(1, name), attribute(2, be32(register))
    return expression("lookup", *parts, attribute(5, be32(int(negated))))


def looked_up(name: str, register: int = R0) -> bytes:
    """Replace the key in the registers by what a map has for it; go on only if it has."""
    both = attribute(2, be32(register)), attribute(3, be32(register))
    return expression("lookup", text(1, name), *both)


def load(value: bytes, register: int) -> bytes:
    """Put a value into registers."""
    return expression("immediate", attribute(1, be32(register)), nested(2, attribute(1, value)))


def destination_nat(family: int, address: int, port: int) -> bytes:
    """Send the connection to the address and the port in two registers."""
    kind = attribute(1, be32(1)), attribute(2, be32(family))
    return expression("nat", *kind, attribute(3, be32(address)), attribute(5, be32(port)))


def masquerade() -> bytes:
    """Give the connection the address of the interface that it leaves by."""
    return expression("masq")


def counter() -> bytes:
    """Count packets, as every rule of iptables does."""
    return expression("counter")


def verdict(code: int) -> bytes:
    """Decide: DROP, ACCEPT, or RETURN to the chain that jumped here."""
    value = nested(2, nested(2, attribute(1, _SIGNED(code))))
    return expression("immediate", attribute(1, be32(_VERDICT)), value)


def jump(chain: str) -> bytes:
    """Go through another chain, and come back."""
    value = nested(2, nested(2, attribute(1, _SIGNED(_JUMP)), text(2, chain)))
    return expression("immediate", attribute(1, be32(_VERDICT)), value)
