"""Code on its way to jobs that do not see this machine's files: flytekit's own fast registration, as `pyflyte run
--remote` does it, with one archive by digest below the storage's prefix.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from flytekit.configuration import FastSerializationSettings
from flytekit.constants import CopyFileDetection
from flytekit.tools.fast_registration import FastPackageOptions, fast_package

from flytekitplugins.awsbatch.propeller.storage import DataStore

from ..identity.execution_identity import Identity
from .filesystems import filesystem
from .transfer import Progress, Transfer

_STYLES = {"auto": CopyFileDetection.LOADED_MODULES, "all": CopyFileDetection.ALL}


class Packaging:
    """The archives of one deployment.

    :param destination: a URL; archives lie at `<destination>/fast<digest>.tar.gz`.
    :param copy: what travels where `pyflyte run` does not say it: `auto`, `all` or `none`.
    """

    def __init__(self, destination: str, copy: str, store: DataStore, progress: Callable[[str], Progress]) -> None:
        self._destination = destination
        self._copy = copy
        self._store = store
        self._progress = progress
        self._uploaded: set[str] = set()
        # The archive of all of a folder's files, which takes long to make, by the call that launched its execution.
        self._whole: tuple[object, str, str] | None = None

    def of_call(self, who: Identity) -> CallCode:
        """The code of one task call."""
        return CallCode(self, who)

    def archive(self, who: Identity, root: str, folder: Path) -> tuple[str, Path | None]:
        """(the URL that an archive gets, "" where none is asked for; the archive, None where it has been uploaded)."""
        copy = who.code.copy or self._copy
        if copy not in _STYLES:
            return "", None
        if copy == "all" and self._whole is not None and self._whole[:2] == (who.root, root) and who.root is not None:
            return self._whole[2], None
        options = FastPackageOptions([], copy_style=_STYLES[copy], show_files=who.code.show_files)
        path = Path(fast_package(Path(root), folder, False, options))
        return f"{self._destination}/{path.name}", path

    def upload(self, who: Identity, root: str, url: str, path: Path) -> None:
        """Raises StorageError."""
        if url not in self._uploaded and not self._store.exists(url):
            transfer = Transfer(filesystem(url), self._progress(self._destination))
            transfer.add(path, url)
            transfer.run()
        self._uploaded.add(url)
        if (who.code.copy or self._copy) == "all":
            self._whole = who.root, root, url


class CallCode(contextlib.ExitStack):
    """The code of one task call, while the block lasts."""

    def __init__(self, packaging: Packaging, who: Identity) -> None:
        super().__init__()
        self._packaging = packaging
        self._who = who
        self._made: tuple[str, str, Path | None] = ("", "", None)

    def root(self, code_root: str | None) -> str | None:
        """The folder whose files travel: the one that `pyflyte run` takes for the project's, else the task's own.

        :param code_root: where the task's module is imported from; None for installed code.
        """
        return self._who.code.source_root or code_root

    def package(self, code_root: str | None) -> FastSerializationSettings | None:
        """What flytekit's translator is told; None where the image has the code."""
        root = self.root(code_root)
        if root is None:
            return None
        folder = self.enter_context(tempfile.TemporaryDirectory(prefix="flyte-awsbatch-"))
        url, path = self._packaging.archive(self._who, root, Path(folder))
        if not url:
            return None
        self._made = root, url, path
        return FastSerializationSettings(
            enabled=True, destination_dir=self._who.code.destination, distribution_location=url
        )

    def upload(self) -> None:
        """Raises StorageError."""
        root, url, path = self._made
        if path is not None:
            self._packaging.upload(self._who, root, url, path)
