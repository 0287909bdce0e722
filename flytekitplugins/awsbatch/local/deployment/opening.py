"""One emulated deployment in this process: its home, its settings, the Batch service behind it, and its executions.

Opened when the first task is called and closed with the process, or by `emulation(...)` and the test fixture.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.util
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.catalog import CatalogError, DiskCatalog, StoredCatalog
from flytekitplugins.awsbatch.propeller.storage import DataStore, SchemeStore

from ... import machine_time
from .. import all_settings as settings_module
from ..console import stopping
from ..console.interrupts import BetweenCalls
from ..console.progress import Reporter
from ..history import past_runs
from ..history.record import RecordError, RunRecord
from ..history.resume import Resumptions
from ..history.told import ToldOnce
from ..home import Home, check_jobs_store_files
from ..home import home_from_environment as from_home
from ..identity.executions import Executions
from . import backend
from .code_folders import CodeFolders
from .filesystems import RunStore, check_storage_container, exists_in_storage
from .job_environment import LocalLaunch
from .locations import check_location_url, locations_of_settings
from .packaging import Packaging
from .submissions import Submissions
from .temporary_folder import temporary_folder_of_process
from .transfer import TransferProgress
from .uploads import Uploads

if TYPE_CHECKING:
    from ..all_settings import Settings
    from ..run.call import Call


class ClosedError(Exception):
    """A task was called on a deployment that is closed.

    :ivar is_told: whether the lines about what has been stopped have told people of it.
    """

    is_told = False


class Deployment:
    """Everything that stands between a task call and its outputs.

    :ivar locations: where files of executions lie.
    :ivar told: the messages that earlier runs have printed already.
    :ivar failed_execution: the execution of the last call that failed.
    :ivar results_folder: holds the files that the last call's outputs refer to; None where they refer to none.

    :param endpoint: the URL of a Batch service to use instead of one in this process, or `aws` for AWS itself.
    :param resume: the name of an execution to resume.
    :param report: a file for the report that is written at the end; None: as the settings say.
    :param is_process_own: whether this process's environment asked for it, so that its command resumes an execution.
    """

    def __init__(
        self,
        settings: Settings,
        home: Home,
        reporter: Reporter,
        *,
        endpoint: str | None = None,
        resume: str | None = None,
        report: str | None = None,
        is_process_own: bool = False,
    ) -> None:
        self.settings = settings
        if endpoint is None and not settings.local.storage:
            home.check_jobs_find_files()
        in_images = settings.local.isolation == settings_module.CONTAINER
        if endpoint is None and not in_images:
            check_jobs_store_files(tempfile.gettempdir())
        self.home = home.prepare()
        self.reporter = reporter
        self.executions = Executions()
        self.between_calls = BetweenCalls(self.executions.running_at_signal)
        self.resumptions = Resumptions(home, resume, endpoint)
        # A task may change the folder before the end.
        asked = report or settings.local.report
        self._report = Path(asked).expanduser().absolute() if asked else None
        self.launch = LocalLaunch(
            settings.local.environment,
            settings.local.execution_env,
            temporary_folder_of_process(),
            in_images=in_images,
        )
        # A container has the code's folder for itself.
        jobs_launch = self.launch if in_images else CodeFolders(self.launch, home.code, settings.batch.retention_days)
        self._said: set[str] = set()
        self._lock = threading.Lock()
        if endpoint is None:
            self.backend: backend.Backend = backend.LocalBackend(settings, home, jobs_launch, self.say_once)
        else:
            # Imported late: most runs have their service in this process.
            from .account_backend import AccountBackend

            self.backend = AccountBackend(endpoint, settings, self.say_once)
        self.submissions = Submissions(self.backend.batch, self.backend.adopt, self.backend.lag)
        self.locations = locations_of_settings(settings, home, elsewhere=self.backend.elsewhere)
        store = SchemeStore(RunStore())
        self.services = HandlerServices(
            batch=self.submissions,
            store=store,
            catalog=_catalog(settings, home, store, self._say_cache_failed),
            settings=settings.handler,
            changed=self.backend.changed,
            fixed_size=endpoint is None,
        )
        self.uploads = Uploads(self.locations.uploads, store, lambda where: TransferProgress(where, reporter.say))
        self.packaging = Packaging(self.uploads, settings.local.copy_code)
        self.told = ToldOnce(home)
        self.results_folder: Path | None = None
        self.failed_execution = ""
        self._is_process_own = is_process_own
        self._calls: list[Call] = []
        self._process = os.getpid()
        self._storage_checked = False
        self._open = False
        self._closed_with_process = False

    @property
    def closed(self) -> bool:
        # Its threads are not in a fork of its process, where a call would wait for ever.
        return not self._open or self._is_of_another_process

    def check_open(self) -> None:
        """Raises ClosedError."""
        if self._is_of_another_process:
            raise ClosedError(
                "This emulated deployment was opened in the process of which this one is a fork, and runs no jobs "
                "here. Open another one here: `with emulation(): ...` around the calls."
            )
        if not self._open:
            error = ClosedError("This emulated deployment is closed: the block ended, or a signal stopped its jobs.")
            error.is_told = self._closed_with_process
            raise error

    @property
    def _is_of_another_process(self) -> bool:
        return os.getpid() != self._process

    def open_deployment(self) -> Deployment:
        """Begins to run jobs, after removing what nobody has touched for long. Raises UnusableHomeError."""
        if self.settings.local.keep_runs_days:
            past_runs.prune_past_runs(self.home, self.settings.local.keep_runs_days)
        self.backend.start()
        self._open = True
        return self

    @property
    def sends_code(self) -> bool:
        """Whether code has to travel to jobs: from a service in this process they see the caller's working tree, unless
        they run in their images."""
        return self.backend.from_images or (self.backend.endpoint is not None and self.locations.remote)

    def check_storage(self) -> None:
        """Once, before anything is sent: whether the buckets for files exist. Raises StorageError."""
        if self.locations.remote and not self._storage_checked:
            for prefix in (self.locations.metadata, self.locations.raw):
                check_storage_container(prefix)
            self._storage_checked = True

    def close_deployment(self, *, is_process_ending: bool = True) -> None:
        """Ends every process that still runs, leaves the terminal as it was, and says how to resume. Twice is fine.

        Calls that have not ended can be resumed; at a service that is not in this process their jobs are terminated.

        :param is_process_ending: whether what closes it, a signal for instance, ends the calls on other threads too.
        """
        # A fork of this process ends too, and has nothing to close.
        if not self._is_of_another_process:
            if is_process_ending:
                # What has been cut short is told below, and needs no traceback from each thread.
                self._closed_with_process = True
                if threading.excepthook is threading.__excepthook__:
                    threading.excepthook = _print_unless_told
            self._close_deployment()
            self.between_calls.release()

    def _close_deployment(self) -> None:
        with self._lock:
            if not self._open:
                return
            self._open = False
            calls = list(self._calls)
        cut = self.executions.cut_by_signal(self.between_calls.cut) or self.executions.running()
        with contextlib.suppress(OSError):
            self.reporter.restore_terminal()
        if calls:
            labels = [call.label for call in calls]
            self._say(stopping.stopping_begins(labels, self.settings.batch.kill_grace, self.backend.jobs_left))
        self.backend.stop(calls)
        left = [call.interrupt() for call in calls]
        self.note_executions_ended(self.executions.names, cut)
        self._write_report()
        if self.results_folder is not None and not calls and not cut:
            # flytekit prints the path to which a file would be downloaded.
            self._say(stopping.results_at_stopping(self.results_folder))
        if calls or cut:
            name = (cut or self.executions.names)[-1]
            self._say(stopping.stopping_ended(left, name, self.backend.jobs_left, self._how_to_resume(name)))
        elif self._is_process_own and self.failed_execution and self.executions.names[-1] == self.failed_execution:
            self._say(stopping.how_to_resume_at_stopping(self.failed_execution))

    def _how_to_resume(self, execution: str) -> str:
        """What to type; "" where the home goes with this deployment. A block of `emulation()` has parameters for it."""
        if self._is_process_own:
            return stopping.resume_command_at_stopping(execution)
        return "" if self.home.temporary else f"emulation({str(self.home.path)!r}, resume={execution!r})"

    def _write_report(self) -> None:
        """One file for all executions of this process, where one is asked for: also after a failure and Ctrl-C."""
        if self._report is None or not self.executions.names:
            return
        from flytekitplugins.awsbatch.ui.report_file import write_report

        try:
            write_report(self.home, self.executions.names, self._report)
        except Exception as error:
            # A report that cannot be written must not keep a run from ending.
            self._say(f"The report {self._report} cannot be written: {error}")
        else:
            self._say(f"Report: {self._report}")

    @contextlib.contextmanager
    def closed_with(self, call: Call) -> Iterator[None]:
        """The block runs a call whose jobs have to be ended or left when the deployment closes. Raises ClosedError."""
        with self._lock:
            self.check_open()
            self._calls.append(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(call)

    def note_executions_ended(self, executions: Iterable[str], cut: Sequence[str] = ()) -> None:
        """Records that this process is done with executions, though it lives on.

        :param cut: those whose workflow has not come to its end.
        """
        for name in executions:
            with contextlib.suppress(OSError, RecordError):
                record = RunRecord(self.home.run(name))
                if "ended" not in record.execution():
                    record.update_execution(ended=machine_time.wall(), **({"interrupted": True} if name in cut else {}))

    def _say(self, text: str) -> None:
        """Prints a line. A terminal that has gone away is no reason to leave jobs behind."""
        with contextlib.suppress(OSError):
            self.reporter.say(text, to_copy=True)

    def __enter__(self) -> Deployment:
        return self.open_deployment()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_deployment(is_process_ending=kind is not None and not issubclass(kind, Exception))

    def say_once(self, text: str, about: str = "") -> None:
        """A warning, said once in a deployment's life; of several about one thing, the first."""
        with self._lock:
            if (about or text) in self._said:
                return
            self._said.add(about or text)
        self.reporter.say(text)

    def _say_cache_failed(self, error: CatalogError) -> None:
        self.say_once(f"Items are computed as if they were not cached, as on a cluster: {error}", about="the cache")


def _print_unless_told(uncaught: threading.ExceptHookArgs) -> None:
    """Stays for as long as the process: one that survives the signal has further deployments."""
    if not (isinstance(uncaught.exc_value, ClosedError) and uncaught.exc_value.is_told):
        threading.__excepthook__(uncaught)


def _catalog(settings: Settings, home: Home, store: DataStore, tell: Callable[[CatalogError], None]) -> StoredCatalog:
    """Raises SettingsError."""
    from flytekit.configuration import LocalConfig

    local = LocalConfig.auto()
    enabled = local.cache_enabled and settings.handler.catalog.caches
    options = {"enabled": enabled, "overwrite": local.cache_overwrite}
    if not settings.local.cache:
        return DiskCatalog(home.catalog, exists=exists_in_storage, tell=tell, **options)
    prefix = check_location_url("emulator.cache", settings.local.cache, settings)
    return StoredCatalog(store, prefix, exists=exists_in_storage, tell=tell, **options)


_lock = threading.Lock()
_of_process: Deployment | None = None
_overrides: list[Deployment] = []


def current_deployment() -> Deployment:
    """The deployment that a task call goes to: the innermost `emulation(...)`, else this process's own, opened now.

    Raises SettingsError, HomeError, SwitchError, NoEngineError.
    """
    global _of_process  # noqa: PLW0603 - the process has one, as it has one environment
    with _lock:
        if _overrides:
            return _overrides[-1]
        if _of_process is None or _of_process.closed:
            _of_process = deployment_from_environment(os.environ).open_deployment()
            atexit.register(_of_process.close_deployment)
            if multiprocessing.parent_process() is not None:
                # A forked worker ends without what `atexit` has.
                multiprocessing.util.Finalize(None, _of_process.close_deployment, exitpriority=0)
        return _of_process


class SwitchError(Exception):
    """`FLYTE_AWSBATCH` has a value that means nothing."""


def deployment_from_environment(environ: Mapping[str, str]) -> Deployment:
    """The deployment that the switches describe. Raises SwitchError, SettingsError, HomeError."""
    from ..console import progress

    switch = environ.get(wire.SWITCH, "").strip()
    endpoint = switch if switch.startswith(("http://", "https://")) else None
    if switch.lower() == backend.AWS:
        endpoint = backend.AWS
    elif endpoint is None and switch.lower() not in {"", "local"}:
        raise SwitchError(
            f"{wire.SWITCH}={switch!r}: expected 'local' (an AWS Batch on this machine), 'aws' (your account), 'off', "
            f"or the URL of a Batch endpoint such as http://127.0.0.1:8044."
        )
    settings = settings_module.load_settings_of_environment(environ)
    return Deployment(
        settings,
        from_home(environ),
        progress.progress_reporter(),
        endpoint=endpoint,
        resume=environ.get(wire.SWITCH_RESUME, "").strip() or None,
        report=environ.get(wire.SWITCH_REPORT, "").strip() or None,
        is_process_own=True,
    )


def override_deployment(deployment: Deployment) -> Callable[[], None]:
    """Sends every task call of this process to `deployment` until the returned function is called."""
    with _lock:
        _overrides.append(deployment)

    def undo() -> None:
        with _lock:
            _overrides.remove(deployment)

    return undo
