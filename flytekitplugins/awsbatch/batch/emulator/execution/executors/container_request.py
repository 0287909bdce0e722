"""From a job to the container that Docker's API is asked for: what the ECS agent makes of a task. Pure.

Sources: Batch's ContainerProperties and LinuxParameters in the API reference, which name the option of `docker run`
that each field maps to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...settings import ContainerSettings
from .protocol import CANNOT_CREATE, JobProcess, RefusedError

MIB = 2**20
SHARES_OF_VCPU = 1024
PERMISSIONS = {"READ": "r", "WRITE": "w", "MKNOD": "m"}


@dataclass(frozen=True)
class EngineFacts:
    """What differs between engines.

    :param gpus: whether it can hand on GPUs.
    :param selinux: whether SELinux keeps a confined container from reading a folder of the host.
    """

    gpus: bool = False
    selinux: bool = False


@dataclass(frozen=True)
class Folder:
    """One of the host. A job that names a path below one of them sees all, at the same paths."""

    path: Path
    read_only: bool = False


def container_request(
    process: JobProcess,
    settings: ContainerSettings,
    facts: EngineFacts,
    folders: Sequence[Folder],
    labels: Mapping[str, str],
) -> tuple[dict[str, Any], list[str]]:
    """The body of the request to create a container for an attempt; and what the job asks for and does not get, a
    sentence each. Raises RefusedError for what no container here can have.
    """
    spec = process.spec
    if spec is None or not spec.detail.get("container", {}).get("image"):
        raise RefusedError(CANNOT_CREATE, "the job names no image")
    properties = spec.detail["container"]
    notes: list[str] = []
    host: dict[str, Any] = {
        "LogConfig": {"Type": "none", "Config": {}},
        "NetworkMode": settings.network,
        "CpuShares": max(2, round(spec.vcpus * SHARES_OF_VCPU)),
        "Privileged": bool(properties.get("privileged")),
        "ReadonlyRootfs": bool(properties.get("readonlyRootFilesystem")),
        "Ulimits": _ulimit_options(properties.get("ulimits") or (), settings.ulimits),
        **_memory_options(process.memory_limit, properties.get("linuxParameters") or {}),
        **_linux_options(properties.get("linuxParameters") or {}),
        **_volume_options(properties),
    }
    mounts = host.setdefault("Mounts", [])
    # A Flyte task's command names where its outputs go; where the files of its inputs lie is in the inputs.
    if any(str(folder.path) in word for folder in folders for word in process.argv):
        mounts += [
            {"Type": "bind", "Source": str(one.path), "Target": str(one.path), "ReadOnly": one.read_only}
            for one in folders
        ]
        if facts.selinux:
            host["SecurityOpt"] = ["label=disable"]
    if settings.runtime:
        host["Runtime"] = settings.runtime
    size = (properties.get("ephemeralStorage") or {}).get("sizeInGiB")
    if size:
        host["StorageOpt"] = {"size": f"{size}G"}
    if spec.gpus and facts.gpus:
        host["DeviceRequests"] = [{"Driver": "", "Count": spec.gpus, "Capabilities": [["gpu"]]}]
    elif spec.gpus:
        notes.append(f"the container engine has no GPUs to hand on: {spec.name} runs without")
    body: dict[str, Any] = {
        "Image": properties["image"],
        "Env": [f"{name}={value}" for name, value in process.environment.items()],
        "Labels": dict(labels),
        "HostConfig": host,
    }
    if process.argv:
        body["Cmd"] = list(process.argv)
    if properties.get("user"):
        body["User"] = properties["user"]
    if properties.get("secrets"):
        names = ", ".join(each["name"] for each in properties["secrets"])
        notes.append(f"secrets of {spec.name} are not fetched here: {names}")
    return body, notes


def _memory_options(limit: int, parameters: Mapping[str, Any]) -> dict[str, int]:
    """:param limit: MiB, 0 for none."""
    if not limit:
        return {}
    answer = {"Memory": limit * MIB}
    swap = parameters.get("maxSwap")
    if swap is not None:
        # --memory-swap is "the sum of the container memory plus the maxSwap value".
        answer["MemorySwap"] = (limit + int(swap)) * MIB
        if parameters.get("swappiness") is not None:
            answer["MemorySwappiness"] = int(parameters["swappiness"])
    return answer


def _linux_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if parameters.get("sharedMemorySize"):
        answer["ShmSize"] = int(parameters["sharedMemorySize"]) * MIB
    if parameters.get("initProcessEnabled"):
        answer["Init"] = True
    if parameters.get("tmpfs"):
        answer["Tmpfs"] = {
            each["containerPath"]: ",".join([f"size={each['size']}m", *(each.get("mountOptions") or ())])
            for each in parameters["tmpfs"]
        }
    if parameters.get("devices"):
        answer["Devices"] = [
            {
                "PathOnHost": each["hostPath"],
                "PathInContainer": each.get("containerPath") or each["hostPath"],
                "CgroupPermissions": "".join(PERMISSIONS[one] for one in each.get("permissions") or PERMISSIONS),
            }
            for each in parameters["devices"]
        ]
    return answer


def _ulimit_options(own: Sequence[Mapping[str, Any]], defaults: Mapping[str, int]) -> list[dict[str, Any]]:
    limits = {name: (value, value) for name, value in defaults.items()}
    limits |= {each["name"]: (each["softLimit"], each["hardLimit"]) for each in own}
    return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in limits.items()]


def _volume_options(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Volumes of the host, and empty ones that live as long as the container."""
    named = {each["name"]: each for each in properties.get("volumes") or ()}
    binds: list[str] = []
    empty: list[dict[str, Any]] = []
    for mount in properties.get("mountPoints") or ():
        volume = named.get(mount.get("sourceVolume", ""))
        if volume is None:
            raise RefusedError(CANNOT_CREATE, f"mountPoints: there is no volume {mount.get('sourceVolume')!r}")
        if volume.get("efsVolumeConfiguration"):
            words = f"volume {volume['name']} lies on EFS, which this machine does not mount"
            raise RefusedError(CANNOT_CREATE, words)
        source = (volume.get("host") or {}).get("sourcePath")
        read_only = bool(mount.get("readOnly"))
        if source:
            binds.append(f"{source}:{mount['containerPath']}{':ro' if read_only else ''}")
        else:
            empty.append({"Type": "volume", "Target": mount["containerPath"], "ReadOnly": read_only})
    return {**({"Binds": binds} if binds else {}), **({"Mounts": empty} if empty else {})}
