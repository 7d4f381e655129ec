"""``run --explain``: the plan of a run, carried out by nobody."""

from __future__ import annotations

import json

from plugrun.engine.create import assemble, container_spec, networks_of
from plugrun.engine.images.find import find_image
from plugrun.errors import NoSuchImage
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import RunRequest
    from plugrun.model.container import BackendChoice, Container
    from plugrun.model.image import Image
    from plugrun.model.spec import RuntimeSpec


def explain(engine: Engine, request: RunRequest) -> str:
    """Return backends and why, image, mounts, namespaces, cgroup and spec as text.

    An image that is not here is not pulled: the plan then ends at where it would come from.
    """
    try:
        image = find_image(engine, request.image)
    except NoSuchImage:
        parts = (_profile(engine), _chosen(engine, request), _absent(engine, request))
        return "".join(f"{line}\n" for part in parts for line in part)
    container = assemble(engine, request, image)
    folder = engine.container_folder(container.id)
    spec = container_spec(engine, container, image, folder)
    lines = [*_profile(engine), *_backends(container), *_image(engine, container, image)]
    lines.append("namespaces: " + " ".join(n["type"] for n in spec["linux"]["namespaces"]))
    lines.append(f"cgroup:     {_cgroup(spec, container)}")
    lines.append(f"limits:     {json.dumps(spec['linux']['resources'].get('memory', {}))}")
    lines.append("mounts:")
    lines += [f"  {m['destination']}  ({m.get('type')}, {m.get('source')})" for m in spec["mounts"]]
    shown = {key: value for key, value in spec.items() if key != "linux"}
    shown["linux"] = {k: v for k, v in spec["linux"].items() if k != "seccomp"}
    lines.append("spec (linux.seccomp left out):")
    lines.append(json.dumps(shown, indent=2))
    return "\n".join(lines) + "\n"


def _profile(engine: Engine) -> list[str]:
    return [f"profile:    {engine.backends.profile.name}"]


def _chosen(engine: Engine, request: RunRequest) -> list[str]:
    """The backends of a container whose image is not known yet."""
    return [
        _backend("storage", engine.storage_choice()),
        _backend("isolation", engine.isolation_choice()),
        _backend("network", networks_of(engine, request).choice),
    ]


def _backends(container: Container) -> list[str]:
    return [
        _backend("storage", container.storage),
        _backend("isolation", container.isolation),
        _backend("network", container.net),
    ]


def _backend(kind: str, choice: BackendChoice) -> str:
    return f"{kind + ':':<11} {choice.name or 'none'} {choice.version} ({choice.why})"


def _image(engine: Engine, container: Container, image: Image) -> list[str]:
    lines = [f"image:      {container.image_name} ({image.id}, {image.platform})", "root:"]
    lines += [f"  layer {chain}" for chain in reversed(image.chain)]
    lines.append(f"  writable layer {container.storage.name}:{container.id}")
    return lines


def _cgroup(spec: RuntimeSpec, container: Container) -> str:
    chosen = spec["linux"].get("cgroupsPath")
    return chosen or f"one of its own, made by isolation {container.isolation.name}"


def _absent(engine: Engine, request: RunRequest) -> list[str]:
    scheme, rest = split_address(request.image)
    name = str(parse_reference(rest)) if scheme == "docker" else rest
    transports = ", ".join(engine.backends.profile.transport)
    if request.pull == "never":
        return [f"image:      not here, and --pull never: {scheme}:{name} would be refused"]
    return [
        f"image:      not here; to be pulled from {scheme}:{name} (transports: {transports})",
        "root, mounts and spec depend on the image: pull it, and ask again",
    ]
