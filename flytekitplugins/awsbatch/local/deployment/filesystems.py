"""The file systems of storages, set up as flytekit sets them up: the same endpoint, credentials and options."""

from __future__ import annotations

import functools
from typing import Any

import fsspec
from flytekit.configuration import DataConfig
from flytekit.core.data_persistence import get_fsspec_storage_options

from flytekitplugins.awsbatch.propeller.storage import AT_ONCE, StorageError


def filesystem(url: str) -> Any:
    """The file system of a URL; one for all URLs of a scheme, and not the one that flytekit has, which remembers
    listings: jobs write meanwhile.
    """
    return _of_scheme(url.partition("://")[0])


@functools.cache
def _of_scheme(scheme: str) -> Any:
    options = get_fsspec_storage_options(scheme, DataConfig.auto())
    if scheme == "s3":
        connections = {"max_pool_connections": AT_ONCE, **options.get("config_kwargs", {})}
        options = {**options, "config_kwargs": connections}
    return fsspec.filesystem(scheme, use_listings_cache=False, **options)


def exists(url: str) -> bool:
    """Whether there is a file, or anything below a directory. Raises StorageError."""
    try:
        return bool(filesystem(url).exists(url))
    except Exception as error:
        raise StorageError(url, str(error) or type(error).__name__) from error
