"""``plugrun build``."""

from __future__ import annotations

import os
import sys

from plugrun.cli import output
from plugrun.cli.buildprogress import QuietBuild, build_view
from plugrun.cli.buildrequest import build_request
from plugrun.cli.buildvalues import without_effect
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.progress import check_kind
from plugrun.engine.build.build import BuildFailed, Built, build
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.request import GlobalOptions, RunRequest
from plugrun.errors import DockerfileError
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Build an image, show how, and name it."""
    v = parsed.values
    request = build_request(parsed)
    kind = check_kind(v["progress"])
    quiet = v["quiet"]
    view = QuietBuild(sys.stderr) if quiet else build_view(sys.stderr, kind)
    for warning in without_effect(v):
        view.warning(warning)
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    if v["iidfile"]:
        _forget(v["iidfile"])
    try:
        built = build(engine, request, view, lambda: _pulls(quiet))
    except DockerfileError as error:
        raise _located(error) from error
    except BuildFailed as failed:
        raise _failed(failed) from failed
    if v["iidfile"] and built.image:
        _write(v["iidfile"], built.image)
    if v["metadata_file"]:
        _write(v["metadata_file"], dumps(_metadata(engine, built)) + "\n")
    if quiet and built.image:
        output.line(built.image)
    return 0


def _forget(path: str) -> None:
    """Leave no ID of another build, which a script would take for this one's if it fails."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.unlink(path)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _metadata(engine: Engine, built: Built) -> dict[str, str]:
    """Return what BuildKit tells of an image."""
    image = engine.metadata.image(built.image) if built.image else None
    if image is None:
        return {}
    found = {"containerimage.config.digest": image.id, "containerimage.digest": image.manifest}
    return {**found, "image.name": ",".join(built.names)} if built.names else found


def _pulls(quiet: bool) -> PullObserver:
    from plugrun.cli.pulling import run_observer

    return run_observer(RunRequest("", quiet=quiet))


def _located(error: DockerfileError) -> SaidError:
    """Show the lines in question above the message, as BuildKit does."""
    excerpt = f"{error.excerpt}\n" if error.excerpt else ""
    return SaidError(f"{excerpt}Error: {error.message}", hint=error.hint)


def _failed(failed: BuildFailed) -> SaidError:
    error = failed.error
    hint = error.hint or "--keep-failed keeps its files as an image to look into"
    if failed.kept:
        hint = f"look into it: plugrun run --rm -it {failed.kept.removeprefix('sha256:')[:12]} sh"
    if isinstance(error, DockerfileError):
        located = _located(error)
        return SaidError(located.message, hint=hint)
    return SaidError(f"Error: {error.message}", hint=hint)
