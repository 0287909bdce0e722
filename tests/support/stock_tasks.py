"""Tasks whose function uses what a test may replace; children import this module."""

from __future__ import annotations

import platform
import shutil
import urllib.parse
from pathlib import Path
from unittest.mock import MagicMock

from flytekit import lazy_module, task

from flytekitplugins.awsbatch import AWSBatchConfig

# Neither is there, but for the jobs of another image.
lazy = lazy_module("no_such_package")
proxy: object = None
BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


class Stock:
    @staticmethod
    def count(n: int) -> int:
        return n


def count(n: int) -> int:
    return n


@task(task_config=BATCH)
def by_function(n: int) -> int:
    return count(n)


@task(task_config=BATCH)
def by_class(n: int) -> int:
    return sum(Stock.count(each) for each in (n,))


@task(task_config=BATCH)
def by_module(n: int) -> int:
    return n if platform.node() else 0


@task(task_config=BATCH)
def by_nested_module(n: int) -> int:
    return n + len(urllib.parse.quote("a")) - 1


def counted(n: int) -> int:
    return count(n)


@task(task_config=BATCH)
def by_another_function(n: int) -> int:
    return counted(n)


@task(task_config=BATCH)
def by_nothing_replaced(n: int) -> int:
    return n if shutil.which("sh") and Path() and proxy is None else lazy.f(proxy, MagicMock)
