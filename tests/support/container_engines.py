"""A container engine for tests: Podman's service on a socket and a storage of its own, with two images made here.

`BUSYBOX` has a shell. `PYTHON` has this installation: the engine gives every container this machine's files below the
prefixes of its Python, of the installed packages and of the sources, read-only.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

import flytekitplugins.awsbatch
from flytekitplugins.awsbatch.batch.emulator.settings import ContainerSettings

BUSYBOX, PYTHON = "localhost/awsbatch-tests/busybox:1", "localhost/awsbatch-tests/python:1"
NEEDED = "AWSBATCH_TESTS_NEED_CONTAINERS"
APPLETS = "sh cat chown cut dd echo env false grep head id ls mkdir mount rm seq sleep stat tail touch tr true wc yes"
FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "var/tmp")
SOURCES = Path(flytekitplugins.awsbatch.__file__).parents[2]


@dataclass
class TestEngine:
    """
    :param url: of the engine's socket.
    :param folder: what it keeps.
    :ivar process: podman's service, while it runs.
    """

    __test__ = False

    url: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Containers that outlived an earlier service are known to this one."""
        folder = self.folder
        options = [f"--root={folder}/root", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp"]
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["podman", *options, f"--runtime={runtime()}", "system", "service", "--time", "0", self.url],
                env={**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")},
                # Its monitor leaves a file `oom` where it runs.
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(self.process)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(docker.errors.DockerException):
                docker.APIClient(base_url=self.url, version="auto")
                return
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"podman's service does not answer:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kills the service; containers stay."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        (self.folder / "socket").unlink()

    def keys(self, **others: Any) -> dict[str, Any]:
        """Of `emulator.container`: with limits that a machine of CI can give, and without a network."""
        return {"engine": self.url, "network": "none", "ulimits": {"nofile": 1024, "nproc": 1000}, **others}

    def emulator(self, **others: Any) -> dict[str, Any]:
        """Keys of `emulator`, and others of `emulator.container`."""
        return {"isolation": "container", "container": self.keys(**others), "vcpus": 4, "memory": 8192}

    def settings(self, **others: Any) -> ContainerSettings:
        return ContainerSettings(**self.keys(**others))

    def client(self) -> docker.APIClient:
        return docker.APIClient(base_url=self.url, version="auto", timeout=60)

    def variant(self, image: str, change: str) -> str:
        """An image that differs in one line of a Dockerfile."""
        client = self.client()
        container = client.create_container_from_config({"Image": image, "Cmd": ["true"]})["Id"]
        try:
            name = f"{image.rpartition(':')[0]}-variant"
            tag = hashlib.sha256(change.encode()).hexdigest()[:12]
            client.commit(container, repository=name, tag=tag, changes=change)
        finally:
            client.remove_container(container)
        return f"{name}:{tag}"


def missing() -> str:
    """Why this machine cannot run such an engine; empty when it can."""
    if os.geteuid() != 0:
        return "only root can start a container engine here"
    if shutil.which("podman") is None:
        return "there is no podman (.ci/install-container-engine installs it)"
    if runtime() is None:
        return "there is no runc or crun that works here (.ci/install-container-engine installs one)"
    if not Path("/bin/busybox").exists():
        return "there is no static busybox (.ci/install-container-engine installs it)"
    return ""


def runtime() -> str | None:
    """crun does not know cgroups of both versions side by side."""
    hybrid = Path("/sys/fs/cgroup/unified").exists()
    names = ("runc",) if hybrid else ("crun", "runc")
    return next(
        (found for name in names if (found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"))), None
    )


@contextlib.contextmanager
def running(folder: Path, shared: Path | None = None) -> Iterator[TestEngine]:
    """:param folder: short and empty; what the engine keeps.
    :param shared: a folder of this machine that all containers may write.
    """
    places = host_folders()
    mounts = [f"{place}:{place}:ro" for place in places]
    mounts += [f"{shared}:{shared}:rw"] if shared is not None else []
    (folder / "containers.conf").write_text(f"[containers]\nvolumes = {json.dumps(mounts)}\n", encoding="utf-8")
    engine = TestEngine(f"unix://{folder}/socket", folder)
    try:
        engine.start()
        client = engine.client()
        make_image(client, BUSYBOX, [])
        make_image(client, PYTHON, places)
        with contextlib.suppress(OSError):
            # To the scheduler all containers of Podman together are else as much as one process of this machine.
            Path("/sys/fs/cgroup/cpu/libpod_parent/cpu.shares").write_text("16384", encoding="ascii")
        yield engine
    finally:
        with contextlib.suppress(docker.errors.DockerException):
            for each in engine.client().containers(all=True):
                engine.client().remove_container(each["Id"], force=True, v=True)
        if engine.process is not None:
            engine.process.terminate()
            engine.process.wait(timeout=30)
        subprocess.run(["umount", "-l", f"{folder}/root/overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def host_folders() -> list[str]:
    """Where this installation lies: no folder of it below another one."""
    wanted = {"/usr", sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"), str(SOURCES)}
    wanted |= {str(Path(sys.executable).resolve().parents[1])}
    return sorted(
        one for one in wanted if not any(one != other and Path(one).is_relative_to(other) for other in wanted)
    )


def make_image(client: docker.APIClient, name: str, places: list[str]) -> None:
    """:param places: folders that containers of the image are given of this machine; none: the shell is all."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:

        def add(path: str, kind: bytes, mode: int = 0o755, target: str = "") -> None:
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.linkname = kind, mode, target
            tar.addfile(entry)

        for folder in FOLDERS:
            add(folder, tarfile.DIRTYPE, 0o1777 if "tmp" in folder else 0o755)
        if places:
            for name_ in ("bin", "lib", "lib64"):
                add(name_, tarfile.SYMTYPE, target=f"usr/{name_}")
        else:
            tar.add("/bin/busybox", "bin/busybox")
            for applet in APPLETS.split():
                add(f"bin/{applet}", tarfile.SYMTYPE, target="busybox")
        for path, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),):
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    scripts = [sysconfig.get_path("scripts")] if places else []
    path = ":".join([*scripts, "/usr/local/bin", "/usr/bin", "/bin"] if places else ["/bin"])
    answer = client.import_image_from_data(data.getvalue(), changes=[f"ENV PATH={path}", "WORKDIR /root"])
    repository, _, tag = name.rpartition(":")
    client.tag(json.loads(answer.splitlines()[0])["id"], repository, tag)
