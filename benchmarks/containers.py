"""What a child in a container costs, against a bare create, start and wait of the same image through the same API.

    python benchmarks/containers.py --n 200 --vcpus 2 --json

Both run as many containers side by side as there are vCPUs, in rounds that take turns: what else the machine does hits
both alike. The bare one does what `docker run` does and reads no output; its containers are removed after each round,
outside of the time, and `removed` counts that too. Needs an engine (DOCKER_HOST), and a static busybox unless --image
names an image that has `true`.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.execution.executors import container_engine
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container import ContainerExecutor
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import EngineFacts, container_request
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess
from flytekitplugins.awsbatch.batch.emulator.execution.launch import launch_policy_in_image
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_of
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings, ContainerSettings

TARGET = 1.2
MEMORY = 64
COMMAND = ("true",)


def busybox(client: Any) -> str:
    """An image with busybox and nothing else."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        link = tarfile.TarInfo("bin/true")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
        for folder in ("dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
    answer = client.import_image_from_data(data.getvalue(), changes=["ENV PATH=/bin"])
    client.tag(json.loads(answer.splitlines()[0])["id"], "localhost/awsbatch-bench/busybox", "1")
    return "localhost/awsbatch-bench/busybox:1"


def bare(client: Any, body: dict[str, Any], side_by_side: int) -> Callable[[int], tuple[float, float]]:
    """Runs so many containers; returns seconds, and seconds with their removal."""

    def run(_number: int) -> str:
        name = str(client.create_container_from_config(body)["Id"])
        client.start(name)
        client.wait(name)
        return name

    def round_of(count: int) -> tuple[float, float]:
        with ThreadPoolExecutor(side_by_side) as pool:
            began = time.monotonic()
            names = list(pool.map(run, range(count)))
            ended = time.monotonic()
            list(pool.map(lambda name: container_engine.remove_container(client, name), names))
            return ended - began, time.monotonic() - began

    return round_of


def through_batch(service: LocalBatch) -> Callable[[int], float]:
    def round_of(count: int) -> float:
        began = time.monotonic()
        job_id = service.submit_job(
            jobName="children", jobQueue="queue", jobDefinition="child", arrayProperties={"size": count}
        )["jobId"]
        seen = 0
        while (job := service.describe_jobs(jobs=[job_id])["jobs"][0])["status"] not in ("SUCCEEDED", "FAILED"):
            seen = service.wait(job_id, seen, 60.0)
        seconds = time.monotonic() - began
        assert job["status"] == "SUCCEEDED", job
        return seconds

    return round_of


def measure(options: argparse.Namespace) -> dict[str, Any]:
    limits = dict(pair.split("=") for pair in options.ulimit)
    settings = ContainerSettings(
        network=options.network, runtime=options.runtime, ulimits={name: int(value) for name, value in limits.items()}
    )
    client = container_engine.connect_engine()
    image = options.image or busybox(client)
    container = {"image": image, "command": list(COMMAND), "vcpus": 1, "memory": MEMORY}
    with tempfile.TemporaryDirectory() as folder:
        batch = BatchSettings(vcpus=options.vcpus, memory=2 * MEMORY * options.vcpus, container=settings)
        executor = ContainerExecutor(container_engine.connect_engine(), settings)
        with LocalBatch(Path(folder), batch, executor=executor, launch=launch_policy_in_image()) as service:
            service.ensure_queue("queue")
            service.register_job_definition(jobDefinitionName="child", type="container", containerProperties=container)
            detail = {"jobName": "child", "jobQueue": "q", "jobDefinition": "d", "container": container}
            process = JobProcess("bare#1#0", COMMAND, {}, {}, Path("/"), Path("log"), MEMORY, spec=job_spec_of(detail))
            body, _ = container_request(process, settings, EngineFacts(), (), {})
            run_bare, run_ours = bare(client, body, options.vcpus), through_batch(service)
            run_bare(options.vcpus)
            run_ours(2 * options.vcpus)
            alone = removed = ours = 0.0
            for _ in range(options.rounds):
                seconds, with_removal = run_bare(options.n // options.rounds)
                alone, removed = alone + seconds, removed + with_removal
                ours += run_ours(options.n // options.rounds)
    count = options.n // options.rounds * options.rounds
    return {
        "n": count,
        "vcpus": options.vcpus,
        "engine": " ".join((client.version().get("Components") or [{}])[0].get("Name", "").split() or ["?"]),
        "bare_ms": round(alone / count * 1000, 1),
        "bare_removed_ms": round(removed / count * 1000, 1),
        "ours_ms": round(ours / count * 1000, 1),
        "ratio": round(ours / alone, 2),
        "ratio_removed": round(ours / removed, 2),
        "target": TARGET,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--vcpus", type=int, default=2, help="children side by side")
    parser.add_argument("--rounds", type=int, default=5, help="in which the two take turns")
    parser.add_argument("--image", default="", help="one that has `true`; default: one is made of /bin/busybox")
    parser.add_argument("--network", default="none")
    parser.add_argument("--runtime", default="")
    parser.add_argument("--ulimit", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options)
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
