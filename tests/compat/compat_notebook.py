"""A notebook as a task, with an AWSBatchConfig."""

from __future__ import annotations

from pathlib import Path

from flytekit import kwtypes, workflow
from flytekitplugins.papermill import NotebookTask

from flytekitplugins.awsbatch import AWSBatchConfig

notebook = NotebookTask(
    name="compat_notebook.notebook",
    notebook_path=str(Path(__file__).with_name("compat_notebook.ipynb")),
    task_config=AWSBatchConfig(tags={"team": "census"}),
    inputs=kwtypes(n=int),
    outputs=kwtypes(square=int),
    output_notebooks=False,
)


@workflow
def with_notebook(n: int) -> int:
    return notebook(n=n)
