"""Where an execution's files lie: below the home on this machine, or below a prefix of a storage that jobs on other
machines reach too.

The prefixes are Flyte's: `propeller.metadata-prefix` below the container of `storage` for what propeller keeps, and
`propeller.rawoutput-prefix` for what tasks write. `emulator.storage` stands for both where no deployment is described.
Nothing here reads or writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flytekitplugins.awsbatch.propeller.storage import join_storage_url
from flytekitplugins.awsbatch.wire import awsbatch_url

from ..home import Home

if TYPE_CHECKING:
    from ..all_settings import Settings

# AWS Batch is on AWS, and so is the bucket that a deployment on it names.
CONTAINER_SCHEME = "s3"
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<container>[^/]+)(/.*)?")


@dataclass(frozen=True)
class Locations:
    """The prefixes of one deployment. Everything that is uploaded lies below `raw`.

    :param metadata: what propeller writes lies below it, by execution; "" for the home.
    :param raw: what tasks write lies below it; "" for the home.
    """

    home: Home
    metadata: str = ""
    raw: str = ""

    @property
    def remote(self) -> bool:
        """Whether the files lie in a storage instead of in the home."""
        return bool(self.raw)

    def metadata_prefix(self, execution: str) -> str:
        """Below it propeller makes a folder of the execution's own. Raises HomeError."""
        return self.metadata or str(self.home.run(execution) / "meta")

    def raw_output_prefix(self, execution: str) -> str:
        """Below it each attempt gets a folder of its own. Raises HomeError."""
        return self.raw or awsbatch_url(str(self.home.run(execution) / "raw"))

    @property
    def uploads(self) -> str:
        """The folder for files of this machine that inputs refer to: `<uploads>/<digest>/<name>`."""
        return join_storage_url(self.raw, "uploads") if self.raw else awsbatch_url(str(self.home.uploads))


def locations_of_settings(settings: Settings, home: Home, *, elsewhere: bool) -> Locations:
    """The locations that the settings ask for.

    :param elsewhere: whether jobs run on other machines, which do not see the home. Where they run on this one, the
        container of a deployment's settings is not used: they may name one of a cluster that this machine cannot reach.

    :raises SettingsError: jobs run elsewhere and no storage is named, or one that is no storage.
    """
    propeller, container = settings.handler.propeller, settings.handler.storage.container
    if named := settings.local.storage:
        check_location_url("emulator.storage", named, settings)
        return Locations(home, join_storage_url(named, propeller.metadata_prefix), join_storage_url(named, "raw"))
    if not elsewhere:
        return Locations(home)
    if not container:
        raise settings.wrong(
            "emulator.storage",
            "",
            "jobs run on other machines, and their files have to lie where these reach them. Say where, with this line "
            "below `emulator:` -- `storage: s3://BUCKET/PREFIX` -- or, in a deployment's settings, with "
            "`storage: {container: BUCKET}`",
        )
    base = f"{CONTAINER_SCHEME}://{container}"
    raw = propeller.raw_output_prefix or base
    check_location_url("propeller.rawoutput-prefix", raw, settings)
    return Locations(home, join_storage_url(base, propeller.metadata_prefix), raw.rstrip("/"))


def check_location_url(key: str, url: str, settings: Settings) -> str:
    """The URL without a slash at its end. Raises SettingsError for one that leads to no storage."""
    found = _URL.fullmatch(url)
    if found is None or found["scheme"] == "file":
        expected = "expected the URL of a storage that jobs reach, such as s3://bucket/prefix"
        raise settings.wrong(key, repr(url), expected)
    return url.rstrip("/")
