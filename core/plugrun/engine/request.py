"""What a command line asks of ``run``, ``create`` and ``exec``, before anything is looked up."""

from __future__ import annotations

from plugrun.model.container import Bind, Limits
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.descriptor import Platform


@record
class RunRequest:
    """``plugrun run``: what was said, with None or empty for what was not.

    ``entrypoint`` None leaves the image's, ``("",)`` clears it. ``env`` and ``labels`` are in
    order; a name without ``=`` takes the caller's value. ``pull`` is missing, always or never.
    """

    image: str
    args: tuple[str, ...] = ()
    name: str = ""
    detach: bool = False
    interactive: bool = False
    tty: bool = False
    auto_remove: bool = False
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    binds: tuple[Bind, ...] = ()
    hostname: str = ""
    entrypoint: tuple[str, ...] | None = None
    limits: Limits = Limits()
    platform: Platform | None = None
    network: str = ""
    read_only: bool = False
    init: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    pull: str = "missing"
    quiet: bool = False
    cidfile: str = ""
    stop_signal: str = ""
    stop_timeout: int = -1


@record
class ExecRequest:
    """``plugrun exec``."""

    container: str
    args: tuple[str, ...]
    interactive: bool = False
    tty: bool = False
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""


@record
class GlobalOptions:
    """What stands before the command, and the environment's word for it.

    ``root`` and ``run_root`` are absolute. ``config`` and ``profile`` are empty if not given.
    """

    root: str
    run_root: str
    config: str = ""
    profile: str = ""
    debug: bool = False
