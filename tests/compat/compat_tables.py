"""Tasks over values that need more than flytekit brings: pandas and pydantic."""

from __future__ import annotations

import pandas as pd
from flytekit import StructuredDataset, task
from pydantic import BaseModel

from flytekitplugins.awsbatch import AWSBatchConfig

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


class Model(BaseModel):
    name: str
    sizes: list[int]


@task(task_config=BATCH)
def frame(x: pd.DataFrame) -> pd.DataFrame:
    return x.assign(twice=x["n"] * 2)


@task(task_config=BATCH)
def dataset(x: StructuredDataset) -> StructuredDataset:
    table = x.open(pd.DataFrame).all()
    return StructuredDataset(dataframe=table.assign(half=table["n"] / 2))


@task(task_config=BATCH)
def model(x: Model) -> Model:
    return Model(name=x.name.upper(), sizes=sorted(x.sizes))
