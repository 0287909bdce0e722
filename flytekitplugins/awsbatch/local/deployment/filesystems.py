"""The file systems of storages, set up as flytekit sets them up: the same endpoint, credentials and options; and the
store over them that a run uses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import fsspec
from flytekit.configuration import DataConfig
from flytekit.core.data_persistence import get_fsspec_storage_options

from flytekitplugins.awsbatch.batch.api import UnreachableError
from flytekitplugins.awsbatch.batch.aws import EXPIRED
from flytekitplugins.awsbatch.propeller.storage import AT_ONCE, FsspecStore, StorageError

T = TypeVar("T")

# botocore's errors of credentials that only a person can renew.
_CREDENTIALS_GONE = ("CredentialRetrievalError", "TokenRetrievalError", "UnauthorizedSSOTokenError")


def filesystem_of(url: str) -> Any:
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


def renew_filesystems() -> None:
    """Forgets the file systems: the next ones read credentials anew."""
    _of_scheme.cache_clear()
    for scheme in ("s3", "s3a"):
        if scheme in fsspec.registry:
            fsspec.get_filesystem_class(scheme).clear_instance_cache()


def exists_in_storage(url: str) -> bool:
    """Whether there is a file, or anything below a directory. Raises StorageError."""
    try:
        return bool(filesystem_of(url).exists(url))
    except Exception as error:
        raise StorageError(url, str(error) or type(error).__name__) from None


def check_storage_container(url: str) -> None:
    """Checks that a URL's bucket exists. A bucket that these credentials may not look at passes.

    Raises StorageError.
    """
    scheme, _, rest = url.partition("://")
    container = f"{scheme}://{rest.partition('/')[0]}"
    try:
        filesystem_of(container).info(container)
    except FileNotFoundError:
        if exists_in_storage(container):
            # Older versions of s3fs have no details of a bucket that is empty.
            return
        raise StorageError(container, "there is no such bucket, or it is not this account's") from None
    except Exception as error:
        if not isinstance(error, OSError) or _expired(error):
            # A person reads it first, for want of credentials say, and botocore's way there is hundreds of lines long.
            raise StorageError(container, str(error) or type(error).__name__) from None


class RunStore(FsspecStore):
    """A storage for a whole run, which may take longer than credentials last: newer ones are looked for once.

    Raises UnreachableError besides, where there are none: what was submitted runs on.
    """

    def __init__(self) -> None:
        super().__init__(filesystem_of)

    def _do(self, reference: str, work: Callable[[Any, str], T]) -> T:
        try:
            return super()._do(reference, work)
        except StorageError as error:
            if not _expired(error):
                raise
        renew_filesystems()
        try:
            return super()._do(reference, work)
        except StorageError as error:
            if not _expired(error):
                raise
            raise UnreachableError(f"The AWS credentials have expired ({error.problem.rstrip('.')})") from error


def _expired(error: BaseException | None) -> bool:
    """Whether the error comes from credentials that have expired."""
    while error is not None:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in EXPIRED or type(error).__name__ in _CREDENTIALS_GONE:
            return True
        error = error.__cause__
    return False
