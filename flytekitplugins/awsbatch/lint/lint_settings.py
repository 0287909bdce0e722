"""What a deployment says about these checks: codes that are fine here, and the largest array its handler takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..sdk.task_config import LINT_CODES
from ..settings.reader import Reader, read_settings_directories
from ..settings.section import setting
from ..wire import SWITCH_CONFIG


@dataclass(frozen=True)
class LintEmulator:
    """The key of `emulator` that these checks own: codes that are fine in this deployment.

    :param lint_ignore: lint codes that are fine in this deployment.
    """

    lint_ignore: tuple[str, ...] = setting("lint_ignore", (), choices=sorted(LINT_CODES))

    @property
    def ignore(self) -> frozenset[str]:
        return frozenset(self.lint_ignore)


@dataclass(frozen=True)
class LintSettings:
    """:param ignore: codes that are not told.
    :param max_array_job_size: the handler's limit; its default unless the deployment says another.
    """

    ignore: frozenset[str] = frozenset()
    max_array_job_size: int = setting("maxArrayJobSize", 5000)


def load_lint_settings(environ: Mapping[str, str] = os.environ) -> LintSettings:
    """The settings in the files that FLYTE_AWSBATCH_CONFIG names. `config check` finds other mistakes in them."""
    names = [name for name in environ.get(SWITCH_CONFIG, "").split(os.pathsep) if name]
    if not names:
        return LintSettings()
    reader = Reader.from_files(read_settings_directories(names))
    (own,) = reader.own("emulator", LintEmulator)
    return replace(reader.flyte(LintSettings, "plugins", "aws", "batch"), ignore=own.ignore)
