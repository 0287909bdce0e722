"""An array job's files and children as AWS Batch would start them: processes with the environment the handler sends."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.literals_pb2 import LiteralMap
from sdk_builders import settings

HERE = Path(__file__).parent
SCRIPTS = Path(sys.executable).parent


@dataclass
class Array:
    """An array job's files below one directory, and its children as processes."""

    root: Path
    inputs: LiteralMap
    task: Any
    environment: dict[str, str] = field(default_factory=dict)
    fast: bool = False
    prev_checkpoint: str = '""'

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "inputs.pb").write_bytes(self.inputs.SerializeToString())

    @property
    def data(self) -> Path:
        return self.root / "data"

    def command(self) -> list[str]:
        rendered = {
            "{{.input}}": str(self.data / "inputs.pb"),
            "{{.outputPrefix}}": str(self.data / "0"),
            "{{.rawOutputDataPrefix}}": str(self.root / "raw"),
            "{{.checkpointOutputPrefix}}": str(self.root / "checkpoints"),
            "{{.prevCheckpointPrefix}}": self.prev_checkpoint,
        }
        template = self.task.get_container(settings()).args
        arguments = [
            functools.reduce(lambda text, name: text.replace(name, rendered[name]), rendered, one) for one in template
        ]
        if self.fast:
            fast = ["pyflyte-fast-execute", "--additional-distribution", str(self.root / "code.tar.gz")]
            arguments = [*fast, "--dest-dir", str(self.root / "code"), "--", *arguments]
        return [str(SCRIPTS / arguments[0]), *arguments[1:]]

    def child(self, index: int, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(),
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(("FLYTE", "AWS"))},
                "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(HERE),
                "FLYTE_FAIL_ON_ERROR": "true",
                "FLYTE_INTERNAL_EXECUTION_ID": "f0",
                **self.identity(index),
                **self.environment,
                **environment,
            },
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )

    def identity(self, index: int) -> dict[str, str]:
        """What Flyte and AWS Batch tell a job about its place: a single one nothing but its id."""
        if not hasattr(self.task, "run_task"):
            return {"AWS_BATCH_JOB_ID": "job"}
        return {
            "AWS_BATCH_JOB_ID": f"job:{index}",
            "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "AWS_BATCH_JOB_ARRAY_INDEX",
            "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
        }

    def outputs(self, index: int) -> LiteralMap:
        return LiteralMap.FromString((self.data / "0" / str(index) / "outputs.pb").read_bytes())

    def error(self, index: int) -> ContainerError:
        return ErrorDocument.FromString((self.data / "0" / str(index) / "error.pb").read_bytes()).error

    def written(self) -> list[str]:
        prefix = self.data / "0"
        return sorted(path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file())
