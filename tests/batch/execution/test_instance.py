"""Who is alive on a home, seen by others that look at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.execution import instance as instances


def test_an_instance_that_is_being_made_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    taken: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for name in instances.instance_names_of_service(tmp_path):
                with instances.instance_folder_left_behind(tmp_path, name, 0) as directory:
                    if directory is not None:
                        taken.append(name)

    looking = threading.Thread(target=look)
    looking.start()
    alive = [instances.create_instance(tmp_path) for _ in range(300)]
    done.set()
    looking.join()
    assert taken == []
    assert instances.instance_names_of_service(tmp_path) == sorted(one.name for one in alive)
    for one in alive:
        one.remove_instance()
    assert list(tmp_path.iterdir()) == []
