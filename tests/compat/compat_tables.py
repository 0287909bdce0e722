"""Tasks over values that need more than flytekit brings: pandas and pydantic."""

from __future__ import annotations

import pandas as pd
from compat_types import job
from flytekit import StructuredDataset
from flytekit.types.schema import FlyteSchema
from pydantic import BaseModel


class Model(BaseModel):
    name: str
    sizes: list[int]


@job
def frame(x: pd.DataFrame) -> pd.DataFrame:
    return x.assign(twice=x["n"] * 2)


@job
def dataset(x: StructuredDataset) -> StructuredDataset:
    table = x.open(pd.DataFrame).all()
    return StructuredDataset(dataframe=table.assign(half=table["n"] / 2))


def as_schema(table: pd.DataFrame) -> FlyteSchema:
    made = FlyteSchema()
    made.open().write(table)
    return made


@job
def schema(x: FlyteSchema) -> FlyteSchema:
    return as_schema(x.open().all().assign(third=lambda table: table["n"] / 3))


@job
def model(x: Model) -> Model:
    return Model(name=x.name.upper(), sizes=sorted(x.sizes))
