"""What is removed with a folder, and what is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.private_folders import remove_folder


def test_folders_are_removed_however_deep_and_nothing_else(tmp_path: Path) -> None:
    deep, file, link = tmp_path / "deep", tmp_path / "file", tmp_path / "link"
    deep.mkdir()
    made = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", made], cwd=deep, check=True)
    file.write_text("a person's")
    link.symlink_to(tmp_path)

    for path in (deep, file, link, tmp_path / "missing"):
        remove_folder(path)

    assert sorted(tmp_path.iterdir()) == [file, link]
