"""`with emulation(...)`: a deployment for as long as a block runs, with what happened in it to look at.

The test fixture is the same thing in a temporary home.
"""

from __future__ import annotations

import dataclasses
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.batch.emulator.faults import HOST_LOST, Fault
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.sdk.errors import AWSBatchWarning

from .. import all_settings as settings_module
from ..console.progress import PlainReporter, progress_reporter
from ..home import Home
from . import opening as deployments
from .backend import LocalBackend
from .opening import Deployment
from .temporary_folder import temporary_home

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

    from ..all_settings import Settings


class Emulation:
    """What a test asks of an emulated deployment.

    :ivar home: the folder that holds its runs, logs and cache.
    """

    def __init__(self, deployment: Deployment, output: io.StringIO | None) -> None:
        self._deployment = deployment
        self._output = output

    @property
    def home(self) -> Path:
        return self._deployment.home.path

    @property
    def batch(self) -> Any:
        """The local AWS Batch, with boto3's methods: `describe_jobs(jobs=[...])`, `list_jobs(...)`, ..."""
        return self._service

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every SubmitJob request so far, as propeller sent it."""
        return [request for request, _ in self._deployment.submissions.made]

    @property
    def jobs(self) -> list[JobDetailTypeDef]:
        """The jobs that were submitted, in order, as DescribeJobs tells of them (an array is one job)."""
        ids = [job_id for _, job_id in self._deployment.submissions.made]
        batch = self._deployment.backend.batch
        return [batch.describe_jobs(jobs=[job_id])["jobs"][0] for job_id in ids]

    def log(self, job_id: str, index: int | None = None, attempt: int | None = None) -> str:
        """The log of a job, or of a child of an array: the last attempt's, unless another one is asked for."""
        streams = self._service.log_streams(job_id, index)
        chosen = [stream for stream in streams if attempt is None or stream.attempt == attempt]
        return Path(chosen[-1].path).read_text(encoding="utf-8", errors="replace") if chosen else ""

    def logs(self, job: JobDetailTypeDef) -> list[str]:
        """The logs of the last attempts of a job from `jobs`: one per child of an array, in the order of their index,
        or the job's own.
        """
        size = job.get("arrayProperties", {}).get("size")
        return [self.log(job["jobId"], index) for index in ([None] if size is None else range(size))]

    def report(self, path: str | os.PathLike[str]) -> None:
        """Writes what has run so far as one HTML file, for a person or as an artefact of CI. Its folder is made where
        it is missing. Raises OSError.
        """
        from flytekitplugins.awsbatch.ui.report_file import write_report

        deployment = self._deployment
        batch = None if deployment.closed else self._service
        write_report(deployment.home, deployment.executions.names, Path(path), batch)

    def fault(self, kind: str = HOST_LOST, **which: Any) -> None:
        """Lets something go wrong with AWS Batch from now on: `fault(child=3, attempt=1)` takes the host of that
        child's first attempt away, `fault("throttle", every=3)` refuses every third call.

        :param kind: one of `host_lost`, `cannot_start`, `stay_runnable`, `throttle`, `server_error`, `slow`,
            `stale_describe`, `drop_response`.
        :param which: `child`, `attempt`, `job`, `operation`, `every`, `seconds`, `times`, as `emulator.faults` in the
            settings has them.

        A fault that has hit nothing when the block ends is warned of (AWSBatchWarning). Raises ValueError for another
        kind, TypeError for another field.
        """
        self._service.faults.add(Fault(kind, **which))

    @property
    def printed(self) -> str:
        """What a person would have seen on the way: the execution's name, progress, warnings."""
        return self._output.getvalue() if self._output is not None else ""

    def _warn_of_unused_faults(self) -> None:
        """A test that lets the wrong child fail would pass for the wrong reason."""
        for fault in self._service.faults.unused_faults():
            given = (field for field in dataclasses.fields(fault) if getattr(fault, field.name) != field.default)
            shown = ", ".join(f"{field.name}={getattr(fault, field.name)!r}" for field in given)
            warnings.warn(f"The fault {shown} has hit nothing.", AWSBatchWarning, stacklevel=2)

    @property
    def _service(self) -> LocalBatch:
        backend = self._deployment.backend
        assert isinstance(backend, LocalBackend), "emulation() opens no other"
        return backend.service


@contextmanager
def emulation(
    home: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | str | None = None,
    files: Sequence[str | os.PathLike[str]] = (),
    quiet: bool = False,
    resume: str | None = None,
) -> Iterator[Emulation]:
    """Sends every AWS Batch task that is called in the block through an emulated deployment of its own.

    :param home: keeps runs, logs and the cache; None: a temporary folder that goes with the block.
    :param settings: a deployment's settings, as the YAML of `FLYTE_AWSBATCH_CONFIG` or as the mapping it would be;
        None: what `files` or the environment say, or the defaults.
    :param files: settings files instead, as `FLYTE_AWSBATCH_CONFIG` names them.
    :param quiet: keeps progress and warnings from standard error; `Emulation.printed` has them.

    :param resume: the name of an execution in `home` to resume.

    Raises SettingsError, HomeError, ValueError for both `settings` and `files`, and RuntimeError in a process that is
    itself a job. The block covers the whole process, threads included; jobs that still run when it ends are ended.
    """
    # Neither rich's tracebacks nor pytest's show this frame.
    _rich_traceback_omit = __tracebackhide__ = True
    if job := switch.variable_of_job():
        raise RuntimeError(
            f"emulation() was called in a job's own process ({job} is set). If the job imports the script that starts "
            'the emulation, put the block under `if __name__ == "__main__":`. In a job of something else, such as a '
            f"runner of tests, unset {job}."
        )
    try:
        loaded = _settings(settings, files)
    except ValueError as error:
        # Without the frames of the readers: the message says where the mistake is.
        raise error.with_traceback(None) from None
    output = io.StringIO() if quiet else None
    with temporary_home() if home is None else nullcontext(home) as folder:
        deployment = Deployment(
            loaded,
            Home(Path(folder).absolute(), temporary=home is None),
            PlainReporter(output) if output is not None else progress_reporter(),
            resume=resume,
        )
        undo = deployments.override_deployment(deployment)
        try:
            with deployment, switch.emulation_overridden(True):
                emulated = Emulation(deployment, output)
                yield emulated
                emulated._warn_of_unused_faults()
        finally:
            undo()


def _settings(given: Mapping[str, Any] | str | None, files: Sequence[str | os.PathLike[str]]) -> Settings:
    if files:
        if given is not None:
            raise ValueError("emulation() takes settings or files, not both")
        return settings_module.load_all_settings([os.fspath(file) for file in files])
    return (
        settings_module.load_settings_of_environment(os.environ)
        if given is None
        else settings_module.parse_all_settings(given)
    )
