"""Where COPY and ADD put what they copy.

Source: docs.docker.com/reference/dockerfile, "Destination" of ADD and COPY.
"""

from __future__ import annotations

import posixpath

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.dockerfile.instructions import Transfer


@record
class Destination:
    """An absolute path; ``is_folder`` says that it was written as a folder's."""

    path: str
    is_folder: bool

    def of_file(self, name: str, existing_folder: bool) -> str:
        """Return where a file of this name goes; ``existing_folder``: the path is one by now."""
        into = self.is_folder or existing_folder
        return posixpath.join(self.path, name) if into else self.path


def destination(workdir: str, text: str) -> Destination:
    """Return where ``text`` points from the working directory; ``.`` and a last slash: a folder."""
    joined = posixpath.join("/", workdir or "/", text)
    path = posixpath.normpath(joined).replace("//", "/")
    is_folder = path == "/" or text in ("", ".") or text.endswith(("/", "/."))
    return Destination(path, is_folder)


def check_sources(transfer: Transfer, found: int) -> None:
    """Refuse several sources, or a pattern's several matches, where a file is meant to go.

    ``found`` is how many there are in all.
    """
    text = transfer.destination
    if found > 1 and not (text in ("", ".") or text.endswith(("/", "/."))):
        raise InvalidArgument(
            f"When using {transfer.KEYWORD} with more than one source file, the destination must "
            "be a directory and end with a /"
        )


def source_path(text: str) -> str:
    """Return a source as a path within its root: ``../`` and a leading slash lead nowhere else."""
    return posixpath.normpath(posixpath.join("/", text)).replace("//", "/")[1:]


@record
class Parents:
    """A source of ``COPY --parents``: what lies before ``/./`` is not made again."""

    root: str
    pattern: str


def parents(text: str) -> Parents:
    """Cut a source at its pivot point, ``/./``, if it has one."""
    root, pivot, pattern = text.partition("/./")
    if not pivot:
        return Parents("", source_path(text))
    return Parents(source_path(root), source_path(pattern))
