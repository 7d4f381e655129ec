"""Dockerfiles as there are in the world, built here and by docker: the images must be the same.

Each ``corpus/NAME.Dockerfile`` is built over base images that stand for those it names: busybox,
and ``corpus/pkg`` for package managers and compilers. What docker's classic builder does not know
is written with other instructions in ``NAME.classic.Dockerfile``, for docker.
"""

from __future__ import annotations

import glob
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from plugrun.testing.isolation.bundle import make_rootfs

from tests.e2e.build.flattened import Tree, read_image
from tests.e2e.conftest import PROFILES, Plugrun, fresh_root
from tests.e2e.dockerdaemon import Engine, docker_daemon

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(
    os.path.basename(path).removesuffix(".Dockerfile")
    for path in glob.glob(f"{CORPUS}/*.Dockerfile")
    if ".classic." not in path
)
OPTIONS = {
    "django": ("--build-arg", "DJANGO_ENV=staging"),
    "expansion": ("--build-arg", "USERID=2000"),
    "go-arguments": ("--build-arg", "GO_VERSION=1.22", "--build-arg", "COMMIT=abc"),
    "labels": ("--build-arg", "VCS_REF=0123456", "--label", "given=on the command line"),
    "targets": ("--target", "PROD"),
}
PLAIN = (
    *("python:3.12-slim", "node:20", "node:20-alpine", "golang:1.21", "golang:1.22", "alpine:3"),
    *("debian:bookworm-slim", "maven:3-eclipse-temurin-21", "eclipse-temurin:21-jre", "ruby:3.3"),
    *("composer:2", "rust:1.77", "mcr.microsoft.com/dotnet/sdk:8.0"),
    "mcr.microsoft.com/dotnet/aspnet:8.0",
)
PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SPECIAL = {
    "nginx:alpine": ("ENV NGINX_VERSION=1.25", 'ENTRYPOINT ["/docker-entrypoint.sh"]', "EXPOSE 80",
                     "LABEL vendor=nginx"),
    "php:8-apache": ('CMD ["apache2-foreground"]', "WORKDIR /var/www/html"),
    "app:onbuild": ("WORKDIR /usr/src/app", "ONBUILD COPY package.json /usr/src/app/",
                    "ONBUILD RUN npm install", "ONBUILD COPY . /usr/src/app",
                    'CMD ["npm", "start"]'),
}  # fmt: skip
TOOLS = ("apt-get", "apk", "pip", "python", "npm", "node", "go", "mvn", "cargo", "composer",
         "bundle", "dotnet", "useradd", "adduser", "groupadd", "addgroup")  # fmt: skip
FILES = {
    "requirements.txt": "flask==3.0.0\ngunicorn==21.2.0\n",
    "app.py": "print('hello')\n",
    "package.json": '{"name": "app"}\n',
    "package-lock.json": '{"lockfileVersion": 3}\n',
    "go.mod": "module example.org/app\n",
    "main.go": "package main\n",
    "pom.xml": "<project/>\n",
    "Cargo.toml": "[package]\n",
    "Gemfile": "gem 'rails'\n",
    "composer.json": "{}\n",
    "app.csproj": "<Project/>\n",
    "nginx.conf": "server { listen 80; }\n",
    "src/index.js": "console.log('hi')\n",
    "src/index.php": "<?php echo 1;\n",
    "src/main.rs": "fn main() {}\n",
    "src/a.py": "a = 1\n",
    "src/b.py": "b = 2\n",
    "public/index.html": "<h1>hello</h1>\n",
    "public/css/site.css": "h1 { color: red }\n",
    "with space/a file.txt": "a\n",
    "docs/one.txt": "one\n",
    "docs/two.txt": "two\n",
    "sub/deep/file.txt": "deep\n",
    "sub/old.log": "old\n",
    "sub/keep.log": "keep\n",
    "docker-entrypoint.sh": '#!/bin/sh\nexec "$@"\n',
    # What .dockerignore leaves out.
    "README.md": "# read me\n",
    ".env": "SECRET=1\n",
    ".git/HEAD": "ref: refs/heads/main\n",
    "node_modules/huge/index.js": "huge\n",
    ".dockerignore": "# no image needs\n.git\nnode_modules\n**/*.log\n!sub/keep.log\n/.env\n*.md\n"
    "*.Dockerfile\n",
}


@dataclass
class Kitchen:
    """A context, our command and docker, which builds while we do."""

    plugrun: Plugrun
    docker: Engine
    context: Path
    folder: Path
    docker_images: dict[str, Future[tuple[dict[str, Any], Tree]]]

    def ours(self, name: str) -> tuple[dict[str, Any], Tree]:
        """Build one with our command."""
        file = str(self.context / f"{name}.Dockerfile")
        words = ("build", "-q", "-f", file, *OPTIONS.get(name, ()), str(self.context))
        path = str(self.folder / f"{name}.ours.tar")
        self.plugrun("save", "-o", path, self.plugrun.out(*words))
        return read_image(path)

    def dockers(self, name: str) -> tuple[dict[str, Any], Tree]:
        """Build one with docker's classic builder."""
        classic = self.context / f"{name}.classic.Dockerfile"
        file = str(classic if classic.exists() else self.context / f"{name}.Dockerfile")
        own = ("build", "-q", "--network", "none", "-f", file)
        image = self.docker(*own, *OPTIONS.get(name, ()), str(self.context)).stdout.strip()
        path = str(self.folder / f"{name}.dockers.tar")
        self.docker("save", "-o", path, image)
        return read_image(path)


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    folder = tmp_path_factory.mktemp("corpus")
    root = _base(folder)
    context = _context(folder)
    with docker_daemon(f"/plugrun-corpus-{os.getpid()}") as docker, fresh_root(PROFILES[0]) as ours:
        for name, changes in {PLAIN[0]: (), **SPECIAL}.items():
            words = [word for change in (PATH, *changes) for word in ("-c", change)]
            docker("import", *words, root, name)
            ours("import", *words, root, name)
        for name in PLAIN[1:]:
            docker("tag", PLAIN[0], name)
            ours("tag", PLAIN[0], name)
        found = Kitchen(ours, docker, context, folder, {})
        with ThreadPoolExecutor(4) as pool:
            found.docker_images.update({name: pool.submit(found.dockers, name) for name in NAMES})
            yield found


def _base(folder: Path) -> str:
    """Make the root that stands for every base image."""
    root = folder / "root"
    make_rootfs(str(root))
    shutil.copy(CORPUS / "pkg", root / "bin/pkg")
    for name in TOOLS:
        (root / "bin" / name).unlink(missing_ok=True)
        (root / "bin" / name).symlink_to("pkg")
    for name in ("lib/apk", "root", "home", "var/lib", "usr/share/nginx/html", "usr/local/bin"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnobody:x:65534:\n")
    path = str(folder / "root.tar")
    with tarfile.open(path, "w") as archive:
        archive.add(str(root), arcname=".")
    return path


def _context(folder: Path) -> Path:
    context = folder / "context"
    for name, text in FILES.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for one in glob.glob(f"{CORPUS}/*.Dockerfile"):
        shutil.copy(one, context)
    (context / "docker-entrypoint.sh").chmod(0o755)
    (context / "docs/two.txt").chmod(0o600)
    (context / "sub/link").symlink_to("deep/file.txt")
    with tarfile.open(context / "files.tar.gz", "w:gz") as archive:
        for name in ("docs", "app.py", "sub/link"):
            archive.add(context / name, arcname=name)
        inside = tarfile.TarInfo("owned")
        inside.uid, inside.gid, inside.mode, inside.size = 5, 6, 0o750, 2
        archive.addfile(inside, io.BytesIO(b"x\n"))
    return context


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_dockers(kitchen: Kitchen, name: str) -> None:
    config, tree = kitchen.ours(name)
    wanted, wanted_tree = kitchen.docker_images[name].result()
    assert config == wanted
    differing = sorted(
        (path, tree.get(path), wanted_tree.get(path))
        for path in tree.keys() | wanted_tree.keys()
        if tree.get(path) != wanted_tree.get(path)
    )
    assert differing == []


def test_there_are_enough() -> None:
    assert len(NAMES) >= 30
