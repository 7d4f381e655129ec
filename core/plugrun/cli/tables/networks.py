"""Commands about networks."""

from __future__ import annotations

from plugrun.cli.options import FILTER, FLAG, LABEL, LINK, LIST, STRING, Command, Option
from plugrun.cli.tables.shared import (
    FILTER_PRUNE,
    FORCE_PRUNE,
    FORCE_RM,
    FORMAT_F,
    FORMAT_LIST,
    NO_TRUNC,
)

CONNECT = Command(
    "network connect",
    "[OPTIONS] NETWORK CONTAINER",
    "Put a container on one more network",
    (
        Option("alias", LIST, "Name others on the network may call it by", metavar="strings"),
        Option("ip", STRING, "IPv4 address it is to have", default=""),
        Option("ip6", STRING, "IPv6 address it is to have", default=""),
        Option("link", LINK, "Know another container by a name of its own: NAME[:ALIAS]"),
    ),
    least=2,
    most=2,
    verb="network_connect",
)

CREATE = Command(
    "network create",
    "[OPTIONS] NETWORK",
    "Make a network",
    (
        Option("attachable", FLAG, "Accepted; containers may always be attached", hidden=True),
        Option("aux-address", LIST, "Address that no container gets: NAME=ADDRESS", metavar="map"),
        Option("driver", STRING, "Backend that serves it (default: the profile's)", "d", ""),
        Option("gateway", LIST, "Address of this machine in the subnet", metavar="strings"),
        Option("internal", FLAG, "Let it reach no other network"),
        Option("ip-range", LIST, "Part of the subnet that containers get", metavar="strings"),
        Option("ipam-driver", STRING, "Who gives addresses: default", default="default"),
        Option("ipv6", FLAG, "Give IPv6 addresses, too"),
        Option("label", LABEL, "Attach a label to the network"),
        Option("opt", LIST, "Option of the driver, as KEY=VALUE", "o", metavar="map"),
        Option("subnet", LIST, "Addresses of the network, as 10.1.2.0/24", metavar="strings"),
    ),
    least=1,
    most=1,
    verb="network_create",
)

DISCONNECT = Command(
    "network disconnect",
    "[OPTIONS] NETWORK CONTAINER",
    "Take a container off a network",
    (Option("force", FLAG, "Accepted; it is done in any case", "f"),),
    least=2,
    most=2,
    verb="network_disconnect",
)

INSPECT = Command(
    "network inspect",
    "[OPTIONS] NETWORK [NETWORK...]",
    "Show all that is known of networks",
    (FORMAT_F, Option("verbose", FLAG, "Accepted; all is shown in any case", "v")),
    least=1,
    verb="network_inspect",
)

LS = Command(
    "network ls",
    "[OPTIONS]",
    "List networks",
    (
        Option(
            "filter",
            FILTER,
            "Show only what fits KEY=VALUE (driver, name, label, type …)",
            "f",
            metavar="filter",
        ),
        FORMAT_LIST,
        NO_TRUNC,
        Option("quiet", FLAG, "Print IDs only", "q"),
    ),
    most=0,
    verb="network_ls",
    also=("network list",),
)

PRUNE = Command(
    "network prune",
    "[OPTIONS]",
    "Remove networks that no running container is on",
    (
        FILTER_PRUNE,
        FORCE_PRUNE,
    ),
    most=0,
    verb="network_prune",
)

RM = Command(
    "network rm",
    "NETWORK [NETWORK...]",
    "Remove networks",
    (FORCE_RM,),
    least=1,
    verb="network_rm",
    also=("network remove",),
)

TABLES = (CONNECT, CREATE, DISCONNECT, INSPECT, LS, PRUNE, RM)
