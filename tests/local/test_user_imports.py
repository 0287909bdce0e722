"""What of a user's imports is known before a job runs."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import xml.dom.pulldom

import helper
from flytekitplugins.awsbatch.local.deployment.user_imports import installed_user_imports, user_import_sources

if __name__ == "__main__":
    print(*(name for name in installed_user_imports("flow") if name.startswith(("xml", "wave"))))
    print(*(file for file, *_ in user_import_sources("flow")))
"""


def test_a_script_is_read_as_the_module_that_jobs_import(tmp_path: Path) -> None:
    """`python flow.py`: its tasks' module is `flow`, which this process has as `__main__` alone."""
    script, helper = tmp_path / "flow.py", tmp_path / "helper.py"
    script.write_text(PROGRAM)
    helper.write_text("import wave\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    installed, sources = done.stdout.splitlines()
    assert installed.split() == ["xml.dom.pulldom", "wave"]
    assert sources.split() == [str(script), str(helper)]
