"""Code on its way to jobs that do not see this machine's files: flytekit's own fast registration, as `pyflyte run
--remote` does it, with an archive that is uploaded once.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from flytekit.configuration import FastSerializationSettings
from flytekit.constants import CopyFileDetection
from flytekit.exceptions.user import FlyteAssertion
from flytekit.tools.fast_registration import FastPackageOptions, fast_package

from ..identity.execution_identity import Identity
from .uploads import PlacedUpload, Uploads

ALL = "all"
_STYLES = {"auto": CopyFileDetection.LOADED_MODULES, ALL: CopyFileDetection.ALL}


@dataclass
class Packaging:
    """The archives of one deployment.

    :param copy: which code travels, where `pyflyte run` does not say so: `auto`, `all` or `none`.
    :ivar whole: (call that launched an execution, folder, URL) of the last archive of a whole folder: one takes long
        to make.
    """

    uploads: Uploads
    copy: str
    whole: tuple[object, str, str] | None = None


class CallCode(contextlib.ExitStack):
    """The code of one task call, while the block lasts."""

    def __init__(self, packaging: Packaging, who: Identity) -> None:
        super().__init__()
        self._packaging = packaging
        self._who = who
        self._copy = who.code.copy or packaging.copy
        self._archive: tuple[str, PlacedUpload] | None = None

    def root(self, code_root: str | None) -> str | None:
        """The folder whose files travel: the one that `pyflyte run` takes for the project's, else the task's own.

        :param code_root: where the task's module is imported from; None for installed code.
        """
        return self._who.code.source_root or code_root

    def package(self, code_root: str | None) -> FastSerializationSettings | None:
        """The settings for flytekit's translator; None where the image has the code."""
        root = self.root(code_root)
        if root is None or self._copy not in _STYLES:
            return None
        code, launch, whole = self._who.code, self._who.root, self._packaging.whole
        if self._copy == ALL and whole is not None and launch is not None and whole[:2] == (launch, root):
            url = whole[2]
        else:
            folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="flyte-awsbatch-")))
            options = FastPackageOptions([], copy_style=_STYLES[self._copy], show_files=code.show_files)
            archive = self._packaging.uploads.place(Path(fast_package(Path(root), folder, False, options)))
            self._archive = root, archive
            url = archive.url
        return FastSerializationSettings(enabled=True, destination_dir=code.destination, distribution_location=url)

    def upload(self) -> None:
        """Raises StorageError."""
        if self._archive is None:
            return
        root, archive = self._archive
        if self._packaging.uploads.put([archive]) is not None:
            raise FlyteAssertion(f"{archive.path} changes while it is being uploaded")
        if self._copy == ALL:
            self._packaging.whole = self._who.root, root, archive.url
