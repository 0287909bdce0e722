"""Where a local deployment keeps what a real one keeps in S3 and in databases: one folder, private to its user.

<home>/runs/<execution>/meta/...   what propeller writes below its metadata prefix (inputs.pb, outputs.pb, error.pb)
<home>/runs/<execution>/raw/...    the raw output prefix of tasks (files, directories, dataframes)
<home>/uploads/<digest>/...        files of the caller that inputs refer to
<home>/catalog/                    the cache, per item
<home>/batch/                      the local AWS Batch: its database and its log streams
<home>/batch/code/                 the code of fast-registered tasks, a folder for each distribution
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flytekitplugins.awsbatch import wire

COMMAND = "flyte-awsbatch"
# What fsspec and flytekit read as something else than a part of a name.
PATTERNS = ("*", "?", "[")
READ_OTHERWISE = (*PATTERNS, "::", "$")


class HomeError(Exception):
    """The home cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Home:
    """The folder of one local deployment.

    :param temporary: whether it goes with the deployment.
    """

    path: Path
    temporary: bool = False

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def uploads(self) -> Path:
        return self.path / "uploads"

    @property
    def catalog(self) -> Path:
        return self.path / "catalog"

    @property
    def batch(self) -> Path:
        return self.path / "batch"

    @property
    def code(self) -> Path:
        return self.batch / "code"

    @property
    def database(self) -> Path:
        """The database of the local AWS Batch; it does not exist before the first job."""
        from flytekitplugins.awsbatch.batch.emulator.service import DATABASE

        return self.batch / DATABASE

    def run(self, execution: str) -> Path:
        """The folder of one execution. Raises HomeError for a name that would lead out of the home."""
        if not execution or execution in {".", ".."} or "/" in execution or "\0" in execution:
            raise HomeError(f"{execution!r} is not the name of an execution.")
        return self.runs / execution

    @property
    def command(self) -> str:
        """`flyte-awsbatch` as a person has to type it in any shell to reach this home: a variable may have stood before
        this process's own command only.
        """
        usual = home_from_environment({}).path == self.path
        return COMMAND if usual else f"{wire.SWITCH_HOME}={shlex.quote(str(self.path))} {COMMAND}"

    def check_jobs_find_files(self) -> None:
        """Raises HomeError where flytekit, in a job, would not find the files that lie in this folder."""
        if odd := _odd_parts(str(self.path), READ_OTHERWISE):
            raise HomeError(
                f"The emulation keeps its runs and logs in {self.path}, whose name has {odd} in it: "
                f"flytekit takes that for a pattern or a variable, and no job would find its inputs. Choose another "
                f"folder: {wire.SWITCH_HOME}, or for emulation() its `home`, or TMPDIR where it has none."
            )

    def prepare(self) -> Home:
        """Creates the folder, for its user only. Raises HomeError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.runs, self.uploads, self.batch):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"The emulation keeps its runs and logs in {self.path}, which cannot be used: {error.strerror}. "
                f"Set {wire.SWITCH_HOME} to a folder that can be written."
            ) from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise HomeError(
                f"The emulation keeps its runs and logs in {self.path}, which this user may not write. "
                f"Set {wire.SWITCH_HOME} to a folder that can be written."
            )
        return self


def home_from_environment(environ: Mapping[str, str]) -> Home:
    """The home that `FLYTE_AWSBATCH_HOME` names, by default `~/.flyte/awsbatch`."""
    named = environ.get(wire.SWITCH_HOME)
    return Home(Path(named).expanduser().absolute() if named else Path.home() / ".flyte" / "awsbatch")


def check_jobs_store_files(temporary: str) -> None:
    """Raises HomeError where flytekit, in a job, would not find what it has put into a folder below this one."""
    if odd := _odd_parts(temporary, PATTERNS):
        raise HomeError(
            f"Jobs have their temporary files below {temporary}, whose name has {odd} in it: flytekit takes that for a "
            f"pattern, and jobs could not store their outputs. Set TMPDIR to another folder."
        )


def _odd_parts(name: str, odd: Iterable[str]) -> str:
    return " and ".join(each for each in odd if each in name)
