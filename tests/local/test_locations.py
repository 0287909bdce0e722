"""Which prefixes the settings give to the files of executions, and what is said where they give none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flytekitplugins.awsbatch.local.all_settings import Settings, parse_all_settings
from flytekitplugins.awsbatch.local.deployment.locations import Locations, locations_of_settings
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.settings.problems import SettingsError

HOME = Home(Path("/home/me"))


def prefixes(settings: Settings, *, elsewhere: bool) -> tuple[str, ...]:
    found = locations_of_settings(settings, HOME, elsewhere=elsewhere)
    return found.metadata_prefix("e"), found.raw_output_prefix("e"), found.uploads


@pytest.mark.parametrize("given", [{}, {"storage": {"container": "bucket"}}], ids=["nothing", "a deployment's"])
def test_files_lie_in_the_home_where_jobs_run_on_this_machine(given: dict[str, object]) -> None:
    assert prefixes(parse_all_settings(given), elsewhere=False) == (
        "/home/me/runs/e/meta",
        "awsbatch://home/me/runs/e/raw",
        "awsbatch://home/me/uploads",
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"storage": {"container": "bucket"}},
            ("s3://bucket/metadata/propeller", "s3://bucket", "s3://bucket/uploads"),
        ),
        (
            {
                "storage": {"container": "bucket"},
                "propeller": {"metadata-prefix": "meta", "rawoutput-prefix": "s3://data/raw/"},
            },
            ("s3://bucket/meta", "s3://data/raw", "s3://data/raw/uploads"),
        ),
        (
            {"emulator": {"storage": "s3://bucket/me/"}},
            ("s3://bucket/me/metadata/propeller", "s3://bucket/me/raw", "s3://bucket/me/raw/uploads"),
        ),
        (
            {"storage": {"container": "bucket"}, "emulator": {"storage": "gs://mine"}},
            ("gs://mine/metadata/propeller", "gs://mine/raw", "gs://mine/raw/uploads"),
        ),
    ],
    ids=["container", "prefixes", "emulator.storage", "both"],
)
def test_the_settings_name_the_storage_that_jobs_elsewhere_reach(given: object, expected: tuple[str, ...]) -> None:
    assert prefixes(parse_all_settings(given), elsewhere=True) == expected  # type: ignore[arg-type]


def test_a_storage_that_is_named_for_the_emulation_is_used_on_this_machine_too() -> None:
    settings = parse_all_settings({"emulator": {"storage": "s3://bucket/me"}})
    assert locations_of_settings(settings, HOME, elsewhere=False) == Locations(
        HOME, "s3://bucket/me/metadata/propeller", "s3://bucket/me/raw"
    )


def test_jobs_elsewhere_without_a_storage_are_refused_with_the_line_to_add() -> None:
    with pytest.raises(SettingsError, match=r"`storage: s3://BUCKET/PREFIX`.*`storage: \{container: BUCKET\}`"):
        locations_of_settings(parse_all_settings({}), HOME, elsewhere=True)


@pytest.mark.parametrize("storage", ["bucket/prefix", "/tmp/folder", "file:///tmp/folder", "s3://"])
def test_what_jobs_elsewhere_cannot_reach_is_no_storage(storage: str) -> None:
    with pytest.raises(SettingsError, match=r"emulator\.storage: got"):
        locations_of_settings(parse_all_settings({"emulator": {"storage": storage}}), HOME, elsewhere=True)
