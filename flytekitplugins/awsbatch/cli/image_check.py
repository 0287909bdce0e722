"""`lint --run`: starts one container of each image, and asks what the tasks that are registered with it need there."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_engine
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import RefusedError
from flytekitplugins.awsbatch.batch.emulator.settings import ContainerSettings
from flytekitplugins.awsbatch.lint import image_probe
from flytekitplugins.awsbatch.lint.findings import LintFinding
from flytekitplugins.awsbatch.lint.image_needs import ImageNeed, ImageReport, findings_of_image_needs

PLACE = "/tmp"  # noqa: S108 - in a container of its own
PROBE, CODE = "flyte_awsbatch_probe.py", "flyte_awsbatch_code"
PYTHONS = ("python", "python3")
LONGEST_TAIL = 300


def check_images(needs: Iterable[ImageNeed], settings: ContainerSettings) -> list[LintFinding]:
    """Raises NoEngineError."""
    by_image: dict[str, list[ImageNeed]] = {}
    for need in needs:
        by_image.setdefault(need.image, []).append(need)
    if not by_image:
        return []
    client = container_engine.connect_engine(settings.engine)
    with contextlib.closing(client):
        return [
            finding
            for image, of_image in by_image.items()
            for finding in findings_of_image_needs(of_image, _report_of(client, settings, image, of_image))
        ]


def _report_of(client: Any, settings: ContainerSettings, image: str, needs: Sequence[ImageNeed]) -> ImageReport:
    from docker.errors import DockerException
    from requests import RequestException

    try:
        container_engine.Images(client, settings.pull).ensure_image(image)
        architecture = client.inspect_image(image).get("Architecture") or ""
        failure = ""
        for python in PYTHONS:
            code, output, failure = _run_probe(client, settings, image, python, needs)
            marked = [line for line in output.splitlines() if line.startswith(image_probe.MARK)]
            if marked:
                report = json.loads(marked[-1].removeprefix(image_probe.MARK))
                return ImageReport(architecture=architecture, **report)
            if not failure:
                tail = " ".join(output.split())[-LONGEST_TAIL:] or "nothing"
                failure = f"its entrypoint does not run the command that it is given (exit code {code}, output: {tail})"
                break
    except RefusedError as error:
        failure = f"{error.error}: {error}"
    except (DockerException, RequestException) as error:
        failure = container_engine.engine_said(error)
    return ImageReport(failure=failure)


def _run_probe(
    client: Any, settings: ContainerSettings, image: str, python: str, needs: Sequence[ImageNeed]
) -> tuple[int, str, str]:
    """(exit code, output, why it did not start) of the probe, run by a Python of the image."""
    from docker.errors import APIError

    modules = sorted({need.module for need in needs if need.module})
    roots = sorted({need.code_root for need in needs if need.code_root is not None})
    question = {
        "commands": sorted({name for need in needs for name in need.commands}),
        "modules": modules,
        "code": f"{PLACE}/{CODE}" if roots else "",
    }
    limits = [{"Name": name, "Soft": value, "Hard": value} for name, value in settings.ulimits.items()]
    body = {
        "Image": image,
        "Cmd": [python, f"{PLACE}/{PROBE}", json.dumps(question)],
        "HostConfig": {"NetworkMode": "none", "Ulimits": limits, "Runtime": settings.runtime},
    }
    container = client.create_container_from_config(body)["Id"]
    try:
        client.put_archive(container, PLACE, _archive(roots))
        try:
            client.start(container)
        except APIError as error:
            return 0, "", container_engine.engine_said(error)
        code = client.wait(container)["StatusCode"]
        return code, client.logs(container).decode("utf-8", "replace"), ""
    finally:
        container_engine.remove_container(client, container)


def _archive(roots: Sequence[Path]) -> bytes:
    """The probe and the Python files below some folders, as Docker takes files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        _add(tar, PROBE, Path(image_probe.__file__).read_bytes())
        for root in roots:
            for file in sorted(root.rglob("*.py")):
                inner = file.relative_to(root)
                if not any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
                    with contextlib.suppress(OSError):
                        _add(tar, f"{CODE}/{inner}", file.read_bytes())
    # Podman's reader is gone after the two blocks that end an archive, and its writer fails over what tar fills up.
    return data.getvalue()[: tar.offset]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o644, int(time.time())
    tar.addfile(entry, io.BytesIO(content))
