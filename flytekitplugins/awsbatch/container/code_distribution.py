"""The code of a fast-registered task, in a folder that all jobs of one distribution share on this machine.

The emulated AWS Batch starts this module in place of `pyflyte-fast-execute` where that would unpack into a folder that
every container has for itself (`/root`), and every process of a machine shares: `python -m MODULE DISTRIBUTION FOLDER
COMMAND...`. Like that script it puts the folder at the end of PYTHONPATH.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def unpack_once(distribution: str, folder: str) -> None:
    """Downloads a distribution and unpacks it, unless it is there: as a whole or not at all, also if others do so now.

    :param folder: absolute; nobody may write in it afterwards.

    Raises whatever flytekit's download raises.
    """
    place = Path(folder)
    with Path(f"{folder}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            # Marks the folder as used, for the process that removes old ones.
            os.utime(place)
            return
        # flytekit takes seconds to import, and only the first job needs it.
        from flytekit.tools.fast_registration import download_distribution

        unfinished = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        try:
            download_distribution(distribution, str(unfinished))
            for path in (unfinished, *unfinished.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & ~WRITE_BITS)
            unfinished.rename(place)
        except BaseException:
            remove_distribution(unfinished)
            raise


def remove_distribution(folder: Path) -> None:
    """Removes a read-only folder."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    distribution, folder, *command = sys.argv[1:]
    unpack_once(distribution, folder)
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{given}{os.pathsep}{folder}" if given else folder
    os.execvp(command[0], command)  # noqa: S606 - the job's own command


if __name__ == "__main__":
    main()
