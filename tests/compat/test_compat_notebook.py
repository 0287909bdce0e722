"""Papermill's NotebookTask: registered as an AWS Batch task, run in this process locally, and it says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compat_run import compared, plainly
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable

from flytekitplugins.awsbatch import AWSBatchWarning
from flytekitplugins.awsbatch.testing import Emulation

HERE = Path(__file__).parent
SETTINGS = SerializationSettings(
    ImageConfig(Image("default", "registry.example/image", "v1")), project="p", domain="d", version="v"
)


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The notebook writes its outcome beside itself."""
    pytest.importorskip("flytekitplugins.papermill")
    import compat_notebook

    # Where the kernel keeps a history, else in the user's home.
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    copy = shutil.copy(HERE / "compat_notebook.ipynb", tmp_path)
    monkeypatch.setattr(compat_notebook.notebook, "_notebook_path", copy)
    return compat_notebook


def test_it_serialises_as_an_aws_batch_task(tasks: Any) -> None:
    template = get_serializable({}, SETTINGS, tasks.notebook).template
    assert template.type == "aws-batch"
    assert template.config == {"platformCapabilities": "EC2"}
    arguments = template.container.args
    assert arguments[arguments.index("--output-prefix") + 1] == "{{.outputPrefix}}/0"
    assert arguments[-4:] == ["task-module", "compat_notebook", "task-name", "notebook"]


def test_it_stays_in_process_and_says_so(batch: Emulation, tasks: Any) -> None:
    with pytest.warns(AWSBatchWarning, match="is not emulated: it runs in this process"):
        assert compared(batch, lambda: tasks.with_notebook(n=7), jobs=[]) == 49


def test_a_plain_run_says_nothing(tasks: Any, recwarn: pytest.WarningsRecorder) -> None:
    assert plainly(lambda: tasks.with_notebook(n=7)) == 49
    assert [one for one in recwarn if one.category is AWSBatchWarning] == []
