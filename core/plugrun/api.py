"""The one module a backend imports.

Names are loaded when first used, so that a backend on the hot path pays for what it touches.
What is listed here keeps its meaning as long as API_VERSION stays the same; the entry-point
groups (``plugrun.storage.v1`` …) carry that number.

The modules ``attach``, ``beneath``, ``capabilities``, ``contents``, ``devpts``, ``filesystem``,
``fscontext``, ``hostports``, ``idmap``, ``images``, ``innerpty``, ``libc``, ``mountfd``,
``mounting``, ``mountinfo``, ``orphan``, ``overlay``, ``ownprogram``, ``process``, ``signalnames``
and ``terminal`` of ``plugrun.linux`` are names here too, and ``cgroupfs``, ``expansion`` and
``runtimespec``.
"""

from __future__ import annotations

API_VERSION = 1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cgroups import cgroupfs as cgroupfs
    from plugrun.cgroups.cgroupfs import Hierarchy as Hierarchy
    from plugrun.cgroups.cgroupfs import hierarchies as hierarchies
    from plugrun.cgroups.stats import stats_v1 as stats_v1
    from plugrun.cgroups.stats import stats_v2 as stats_v2
    from plugrun.errors import AlreadyExists as AlreadyExists
    from plugrun.errors import BackendUnavailable as BackendUnavailable
    from plugrun.errors import CannotAttach as CannotAttach
    from plugrun.errors import CannotMount as CannotMount
    from plugrun.errors import CommandNotExecutable as CommandNotExecutable
    from plugrun.errors import CommandNotFound as CommandNotFound
    from plugrun.errors import ConfigError as ConfigError
    from plugrun.errors import Conflict as Conflict
    from plugrun.errors import Corrupt as Corrupt
    from plugrun.errors import Detached as Detached
    from plugrun.errors import DigestMismatch as DigestMismatch
    from plugrun.errors import HostileArchive as HostileArchive
    from plugrun.errors import ImageNotFound as ImageNotFound
    from plugrun.errors import Interrupted as Interrupted
    from plugrun.errors import InvalidArgument as InvalidArgument
    from plugrun.errors import IsolationError as IsolationError
    from plugrun.errors import LogNotKept as LogNotKept
    from plugrun.errors import NoAddress as NoAddress
    from plugrun.errors import NoMatchingPlatform as NoMatchingPlatform
    from plugrun.errors import NoSpace as NoSpace
    from plugrun.errors import NoSuchContainer as NoSuchContainer
    from plugrun.errors import NoSuchImage as NoSuchImage
    from plugrun.errors import NoSuchSnapshot as NoSuchSnapshot
    from plugrun.errors import NoSuchVolume as NoSuchVolume
    from plugrun.errors import NotATerminal as NotATerminal
    from plugrun.errors import NotFound as NotFound
    from plugrun.errors import NotRoot as NotRoot
    from plugrun.errors import OutputLost as OutputLost
    from plugrun.errors import PluginError as PluginError
    from plugrun.errors import PlugrunError as PlugrunError
    from plugrun.errors import TransportError as TransportError
    from plugrun.errors import Unauthorized as Unauthorized
    from plugrun.errors import Unreachable as Unreachable
    from plugrun.errors import UsageError as UsageError
    from plugrun.interfaces.backend import Backend as Backend
    from plugrun.interfaces.backend import Probe as Probe
    from plugrun.interfaces.isolation import CREATED as CREATED
    from plugrun.interfaces.isolation import DEVICE_FENCE as DEVICE_FENCE
    from plugrun.interfaces.isolation import EARLY_PID as EARLY_PID
    from plugrun.interfaces.isolation import EXEC as EXEC
    from plugrun.interfaces.isolation import HOST_NETWORK as HOST_NETWORK
    from plugrun.interfaces.isolation import LIMIT_CPU as LIMIT_CPU
    from plugrun.interfaces.isolation import LIMIT_CPUSET as LIMIT_CPUSET
    from plugrun.interfaces.isolation import LIMIT_IO as LIMIT_IO
    from plugrun.interfaces.isolation import LIMIT_MEMORY as LIMIT_MEMORY
    from plugrun.interfaces.isolation import LIMIT_PIDS as LIMIT_PIDS
    from plugrun.interfaces.isolation import PAUSE as PAUSE
    from plugrun.interfaces.isolation import PAUSED as PAUSED
    from plugrun.interfaces.isolation import RUNNING as RUNNING
    from plugrun.interfaces.isolation import SHARED_MOUNTS as SHARED_MOUNTS
    from plugrun.interfaces.isolation import STATS as STATS
    from plugrun.interfaces.isolation import STOPPED as STOPPED
    from plugrun.interfaces.isolation import UPDATE as UPDATE
    from plugrun.interfaces.isolation import USER_NAMESPACES as USER_NAMESPACES
    from plugrun.interfaces.isolation import Isolation as Isolation
    from plugrun.interfaces.isolation import Stats as Stats
    from plugrun.interfaces.isolation import Stdio as Stdio
    from plugrun.interfaces.isolation import Task as Task
    from plugrun.interfaces.network import ADDRESSES as ADDRESSES
    from plugrun.interfaces.network import CONNECT as CONNECT
    from plugrun.interfaces.network import NAMES as NAMES
    from plugrun.interfaces.network import NETWORKS as NETWORKS
    from plugrun.interfaces.network import OUTBOUND as OUTBOUND
    from plugrun.interfaces.network import PORTS as PORTS
    from plugrun.interfaces.network import Network as Network
    from plugrun.interfaces.registry import Login as Login
    from plugrun.interfaces.registry import Registry as Registry
    from plugrun.interfaces.registry import SearchResult as SearchResult
    from plugrun.interfaces.storage import ACTIVE as ACTIVE
    from plugrun.interfaces.storage import BROKEN as BROKEN
    from plugrun.interfaces.storage import CHANGE_TIMES as CHANGE_TIMES
    from plugrun.interfaces.storage import COMMITTED as COMMITTED
    from plugrun.interfaces.storage import DAMAGED as DAMAGED
    from plugrun.interfaces.storage import IDMAPPED as IDMAPPED
    from plugrun.interfaces.storage import INDEPENDENT_LAYERS as INDEPENDENT_LAYERS
    from plugrun.interfaces.storage import MISSING as MISSING
    from plugrun.interfaces.storage import MOUNTLESS as MOUNTLESS
    from plugrun.interfaces.storage import PACKED as PACKED
    from plugrun.interfaces.storage import POSIX_UNION as POSIX_UNION
    from plugrun.interfaces.storage import STRAY as STRAY
    from plugrun.interfaces.storage import VIEW as VIEW
    from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS as WHITEOUT_OVERLAYFS
    from plugrun.interfaces.storage import WHITEOUT_UNLINK as WHITEOUT_UNLINK
    from plugrun.interfaces.storage import WHITEOUT_USERXATTR as WHITEOUT_USERXATTR
    from plugrun.interfaces.storage import WHOLE_IMAGES as WHOLE_IMAGES
    from plugrun.interfaces.storage import Fault as Fault
    from plugrun.interfaces.storage import LayerTree as LayerTree
    from plugrun.interfaces.storage import Snapshot as Snapshot
    from plugrun.interfaces.storage import Storage as Storage
    from plugrun.interfaces.storage import Usage as Usage
    from plugrun.interfaces.transport import FLATTEN as FLATTEN
    from plugrun.interfaces.transport import LIST as LIST
    from plugrun.interfaces.transport import MOUNT as MOUNT
    from plugrun.interfaces.transport import OFFLINE as OFFLINE
    from plugrun.interfaces.transport import PARALLEL as PARALLEL
    from plugrun.interfaces.transport import PULL as PULL
    from plugrun.interfaces.transport import PUSH as PUSH
    from plugrun.interfaces.transport import REPOSITORY as REPOSITORY
    from plugrun.interfaces.transport import RESUME as RESUME
    from plugrun.interfaces.transport import Collection as Collection
    from plugrun.interfaces.transport import Destination as Destination
    from plugrun.interfaces.transport import Referrer as Referrer
    from plugrun.interfaces.transport import Repository as Repository
    from plugrun.interfaces.transport import Resolved as Resolved
    from plugrun.interfaces.transport import Transport as Transport
    from plugrun.layers import expansion as expansion
    from plugrun.layers.archive import archive_tree as archive_tree
    from plugrun.layers.failures import found_in as found_in
    from plugrun.layers.removal import remove_tree as remove_tree
    from plugrun.layers.tarsink import TarSink as TarSink
    from plugrun.layers.unpacktree import unpack_layers as unpack_layers
    from plugrun.linux import attach as attach
    from plugrun.linux import beneath as beneath
    from plugrun.linux import capabilities as capabilities
    from plugrun.linux import contents as contents
    from plugrun.linux import devpts as devpts
    from plugrun.linux import filesystem as filesystem
    from plugrun.linux import fscontext as fscontext
    from plugrun.linux import hostports as hostports
    from plugrun.linux import idmap as idmap
    from plugrun.linux import images as images
    from plugrun.linux import innerpty as innerpty
    from plugrun.linux import libc as libc
    from plugrun.linux import mountfd as mountfd
    from plugrun.linux import mountinfo as mountinfo
    from plugrun.linux import mounting as mounting
    from plugrun.linux import orphan as orphan
    from plugrun.linux import overlay as overlay
    from plugrun.linux import ownprogram as ownprogram
    from plugrun.linux import process as process
    from plugrun.linux import signalnames as signalnames
    from plugrun.linux import terminal as terminal
    from plugrun.linux.idmap import MountIds as MountIds
    from plugrun.linux.release import is_kernel as is_kernel
    from plugrun.linux.serving import Connection as Connection
    from plugrun.linux.serving import connect as connect
    from plugrun.model.container import Container as Container
    from plugrun.model.descriptor import Descriptor as Descriptor
    from plugrun.model.descriptor import Platform as Platform
    from plugrun.model.descriptor import host_platform as host_platform
    from plugrun.model.descriptor import normal_platform as normal_platform
    from plugrun.model.descriptor import parse_digest as parse_digest
    from plugrun.model.descriptor import parse_platform as parse_platform
    from plugrun.model.descriptor import platform_order as platform_order
    from plugrun.model.event import Event as Event
    from plugrun.model.idmap import IdMap as IdMap
    from plugrun.model.idmap import IdRange as IdRange
    from plugrun.model.idmap import outside as outside
    from plugrun.model.idmap import ranges_in_spec as ranges_in_spec
    from plugrun.model.idmap import ranges_of_spec as ranges_of_spec
    from plugrun.model.image import CONFIG_DOCKER as CONFIG_DOCKER
    from plugrun.model.image import CONFIG_OCI as CONFIG_OCI
    from plugrun.model.image import INDEX_DOCKER as INDEX_DOCKER
    from plugrun.model.image import INDEX_OCI as INDEX_OCI
    from plugrun.model.image import INDEXES as INDEXES
    from plugrun.model.image import LAYER_DOCKER as LAYER_DOCKER
    from plugrun.model.image import LAYER_GZIP as LAYER_GZIP
    from plugrun.model.image import LAYER_TAR as LAYER_TAR
    from plugrun.model.image import LAYER_ZSTD as LAYER_ZSTD
    from plugrun.model.image import MANIFEST_DOCKER as MANIFEST_DOCKER
    from plugrun.model.image import MANIFEST_OCI as MANIFEST_OCI
    from plugrun.model.image import MANIFESTS as MANIFESTS
    from plugrun.model.jsontext import dumps as dumps
    from plugrun.model.jsontext import loads as loads
    from plugrun.model.mount import Mount as Mount
    from plugrun.model.network import Attachment as Attachment
    from plugrun.model.network import Endpoint as Endpoint
    from plugrun.model.network import NetworkConfig as NetworkConfig
    from plugrun.model.network import Port as Port
    from plugrun.model.network import Subnet as Subnet
    from plugrun.model.option import Option as Option
    from plugrun.model.record import as_json as as_json
    from plugrun.model.record import from_json as from_json
    from plugrun.model.record import record as record
    from plugrun.model.record import replace as replace
    from plugrun.model.reference import Reference as Reference
    from plugrun.model.reference import parse_reference as parse_reference
    from plugrun.model.reference import split_address as split_address
    from plugrun.model.spec import Process as Process
    from plugrun.model.spec import Resources as Resources
    from plugrun.model.spec import RuntimeSpec as RuntimeSpec
    from plugrun.snapshots.copying import copy_fresh_tree as copy_fresh_tree
    from plugrun.snapshots.layerstack import LayerStack as LayerStack
    from plugrun.snapshots.records import SnapshotRecord as SnapshotRecord
    from plugrun.snapshots.records import SnapshotRecords as SnapshotRecords
    from plugrun.snapshots.store import SnapshotStore as SnapshotStore
    from plugrun.snapshots.trees import delete_tree as delete_tree
    from plugrun.snapshots.trees import measure_tree as measure_tree
    from plugrun.snapshots.trees import open_deep as open_deep
    from plugrun.tasks import runtimespec as runtimespec
    from plugrun.tasks.folder import TaskFolder as TaskFolder
    from plugrun.tasks.folder import remove_flat as remove_flat
    from plugrun.tasks.folder import task_ids as task_ids
    from plugrun.web.addresses import shown_url as shown_url
    from plugrun.web.authorities import trusted_bundle as trusted_bundle
    from plugrun.web.faults import WEB_BROKEN as WEB_BROKEN
    from plugrun.web.faults import WEB_NO_ADDRESS as WEB_NO_ADDRESS
    from plugrun.web.faults import WEB_PROXY as WEB_PROXY
    from plugrun.web.faults import WEB_STALLED as WEB_STALLED
    from plugrun.web.faults import WEB_TLS as WEB_TLS
    from plugrun.web.faults import WEB_UNREACHED as WEB_UNREACHED
    from plugrun.web.faults import WebFailure as WebFailure
    from plugrun.web.faults import web_failure as web_failure
    from plugrun.web.stall import TimedAdapter as TimedAdapter
    from plugrun.web.stall import stall_timeout as stall_timeout

_HOMES = {
    "plugrun.cgroups": ("cgroupfs",),
    "plugrun.cgroups.cgroupfs": (
        "Hierarchy",
        "hierarchies",
    ),
    "plugrun.cgroups.stats": (
        "stats_v1",
        "stats_v2",
    ),
    "plugrun.errors": (
        "AlreadyExists",
        "BackendUnavailable",
        "CannotAttach",
        "CannotMount",
        "CommandNotExecutable",
        "CommandNotFound",
        "ConfigError",
        "Conflict",
        "Corrupt",
        "Detached",
        "DigestMismatch",
        "HostileArchive",
        "ImageNotFound",
        "Interrupted",
        "InvalidArgument",
        "IsolationError",
        "LogNotKept",
        "NoMatchingPlatform",
        "NoAddress",
        "NoSpace",
        "NoSuchContainer",
        "NoSuchImage",
        "NoSuchSnapshot",
        "NoSuchVolume",
        "NotATerminal",
        "NotFound",
        "NotRoot",
        "OutputLost",
        "PluginError",
        "PlugrunError",
        "TransportError",
        "Unauthorized",
        "Unreachable",
        "UsageError",
    ),
    "plugrun.interfaces.backend": (
        "Backend",
        "Probe",
    ),
    "plugrun.interfaces.storage": (
        "ACTIVE",
        "BROKEN",
        "CHANGE_TIMES",
        "COMMITTED",
        "DAMAGED",
        "IDMAPPED",
        "INDEPENDENT_LAYERS",
        "MISSING",
        "MOUNTLESS",
        "PACKED",
        "POSIX_UNION",
        "STRAY",
        "VIEW",
        "WHITEOUT_OVERLAYFS",
        "WHITEOUT_UNLINK",
        "WHITEOUT_USERXATTR",
        "WHOLE_IMAGES",
        "Fault",
        "LayerTree",
        "Snapshot",
        "Storage",
        "Usage",
    ),
    "plugrun.interfaces.isolation": (
        "CREATED",
        "DEVICE_FENCE",
        "EARLY_PID",
        "EXEC",
        "HOST_NETWORK",
        "LIMIT_CPU",
        "LIMIT_CPUSET",
        "LIMIT_IO",
        "LIMIT_MEMORY",
        "LIMIT_PIDS",
        "PAUSE",
        "PAUSED",
        "RUNNING",
        "SHARED_MOUNTS",
        "STATS",
        "STOPPED",
        "UPDATE",
        "USER_NAMESPACES",
        "Isolation",
        "Stats",
        "Stdio",
        "Task",
    ),
    "plugrun.interfaces.registry": (
        "Login",
        "Registry",
        "SearchResult",
    ),
    "plugrun.interfaces.transport": (
        "FLATTEN",
        "LIST",
        "MOUNT",
        "OFFLINE",
        "PARALLEL",
        "PULL",
        "PUSH",
        "REPOSITORY",
        "RESUME",
        "Collection",
        "Destination",
        "Referrer",
        "Repository",
        "Resolved",
        "Transport",
    ),
    "plugrun.interfaces.network": (
        "ADDRESSES",
        "CONNECT",
        "NAMES",
        "NETWORKS",
        "OUTBOUND",
        "PORTS",
        "Network",
    ),
    "plugrun.layers": ("expansion",),
    "plugrun.layers.archive": ("archive_tree",),
    "plugrun.layers.failures": ("found_in",),
    "plugrun.layers.removal": ("remove_tree",),
    "plugrun.layers.tarsink": ("TarSink",),
    "plugrun.layers.unpacktree": ("unpack_layers",),
    "plugrun.model.container": ("Container",),
    "plugrun.model.descriptor": (
        "Descriptor",
        "Platform",
        "host_platform",
        "normal_platform",
        "parse_digest",
        "parse_platform",
        "platform_order",
    ),
    "plugrun.model.event": ("Event",),
    "plugrun.model.image": (
        "CONFIG_DOCKER",
        "CONFIG_OCI",
        "INDEXES",
        "INDEX_DOCKER",
        "INDEX_OCI",
        "LAYER_DOCKER",
        "LAYER_GZIP",
        "LAYER_TAR",
        "LAYER_ZSTD",
        "MANIFESTS",
        "MANIFEST_DOCKER",
        "MANIFEST_OCI",
    ),
    "plugrun.model.idmap": (
        "IdMap",
        "IdRange",
        "outside",
        "ranges_in_spec",
        "ranges_of_spec",
    ),
    "plugrun.model.jsontext": (
        "dumps",
        "loads",
    ),
    "plugrun.model.mount": ("Mount",),
    "plugrun.model.network": (
        "Attachment",
        "Endpoint",
        "NetworkConfig",
        "Port",
        "Subnet",
    ),
    "plugrun.model.option": ("Option",),
    "plugrun.model.record": (
        "as_json",
        "from_json",
        "record",
        "replace",
    ),
    "plugrun.model.reference": (
        "Reference",
        "parse_reference",
        "split_address",
    ),
    "plugrun.snapshots.copying": ("copy_fresh_tree",),
    "plugrun.snapshots.layerstack": ("LayerStack",),
    "plugrun.snapshots.records": (
        "SnapshotRecord",
        "SnapshotRecords",
    ),
    "plugrun.snapshots.store": ("SnapshotStore",),
    "plugrun.tasks": ("runtimespec",),
    "plugrun.tasks.folder": (
        "TaskFolder",
        "remove_flat",
        "task_ids",
    ),
    "plugrun.web.addresses": ("shown_url",),
    "plugrun.web.authorities": ("trusted_bundle",),
    "plugrun.web.faults": (
        "WEB_BROKEN",
        "WEB_NO_ADDRESS",
        "WEB_PROXY",
        "WEB_STALLED",
        "WEB_TLS",
        "WEB_UNREACHED",
        "WebFailure",
        "web_failure",
    ),
    "plugrun.web.stall": (
        "TimedAdapter",
        "stall_timeout",
    ),
    "plugrun.snapshots.trees": (
        "delete_tree",
        "measure_tree",
        "open_deep",
    ),
    "plugrun.linux.idmap": ("MountIds",),
    "plugrun.linux.release": ("is_kernel",),
    "plugrun.linux.serving": (
        "Connection",
        "connect",
    ),
    "plugrun.linux": (
        "attach",
        "beneath",
        "capabilities",
        "contents",
        "devpts",
        "filesystem",
        "fscontext",
        "hostports",
        "idmap",
        "images",
        "innerpty",
        "libc",
        "mountfd",
        "mounting",
        "mountinfo",
        "orphan",
        "overlay",
        "ownprogram",
        "process",
        "signalnames",
        "terminal",
    ),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            module = __import__(home, fromlist=(name,))
            value: object = getattr(module, name)
            globals()[name] = value
            return value
    raise AttributeError(f"plugrun.api has no {name!r} in version {API_VERSION}")


def __dir__() -> list[str]:
    return sorted({"API_VERSION"}.union(*_HOMES.values()))
