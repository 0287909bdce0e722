"""Code on its way to jobs that do not see this machine's files: flytekit's own fast registration, as `pyflyte run
--remote` does it, with an archive that is uploaded once.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from flytekit.configuration import FastSerializationSettings
from flytekit.constants import CopyFileDetection
from flytekit.exceptions.user import FlyteAssertion
from flytekit.tools.fast_registration import FastPackageOptions, fast_package

from ..identity.execution_identity import Identity
from .uploads import PlacedUpload, Uploads

ALL = "all"
_STYLES = {"auto": CopyFileDetection.LOADED_MODULES, ALL: CopyFileDetection.ALL}


class Packaging:
    """The archives of one deployment.

    :param copy: which code travels, where `pyflyte run` does not say so: `auto`, `all` or `none`.
    """

    def __init__(self, uploads: Uploads, copy: str) -> None:
        self._uploads = uploads
        self._copy = copy
        # (call that launched an execution, folder, URL) of the last archive of a whole folder: one takes long to make.
        self._whole: tuple[object, str, str] | None = None

    def archive(self, who: Identity, root: str, folder: Path) -> PlacedUpload | str:
        """An archive that is still to be uploaded, or the URL of one that has been; "" where none is needed."""
        copy = self._style(who)
        if copy not in _STYLES:
            return ""
        if copy == ALL and self._whole is not None and who.root is not None and self._whole[:2] == (who.root, root):
            return self._whole[2]
        options = FastPackageOptions([], copy_style=_STYLES[copy], show_files=who.code.show_files)
        return self._uploads.place(Path(fast_package(Path(root), folder, False, options)))

    def upload(self, who: Identity, root: str, archive: PlacedUpload) -> None:
        """Raises StorageError."""
        if self._uploads.put([archive]) is not None:
            raise FlyteAssertion(f"{archive.path} changes while it is being uploaded")
        if self._style(who) == ALL:
            self._whole = who.root, root, archive.url

    def _style(self, who: Identity) -> str:
        return who.code.copy or self._copy


class CallCode(contextlib.ExitStack):
    """The code of one task call, while the block lasts."""

    def __init__(self, packaging: Packaging, who: Identity) -> None:
        super().__init__()
        self._packaging = packaging
        self._who = who
        self._archive: tuple[str, PlacedUpload] | None = None

    def root(self, code_root: str | None) -> str | None:
        """The folder whose files travel: the one that `pyflyte run` takes for the project's, else the task's own.

        :param code_root: where the task's module is imported from; None for installed code.
        """
        return self._who.code.source_root or code_root

    def package(self, code_root: str | None) -> FastSerializationSettings | None:
        """The settings for flytekit's translator; None where the image has the code."""
        root = self.root(code_root)
        if root is None:
            return None
        folder = self.enter_context(tempfile.TemporaryDirectory(prefix="flyte-awsbatch-"))
        made = self._packaging.archive(self._who, root, Path(folder))
        if not made:
            return None
        if isinstance(made, PlacedUpload):
            self._archive = root, made
            made = made.url
        return FastSerializationSettings(
            enabled=True, destination_dir=self._who.code.destination, distribution_location=made
        )

    def upload(self) -> None:
        """Raises StorageError."""
        if self._archive is not None:
            self._packaging.upload(self._who, *self._archive)
