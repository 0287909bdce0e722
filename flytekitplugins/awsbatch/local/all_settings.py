"""All owners' settings as one frozen value: what a local run, a test fixture and the command read at their start.

`FLYTE_AWSBATCH_CONFIG` names the files: a deployment's YAML, Helm values, flytectl's attribute files, or directories of
them. This module only composes; each section is declared by its owner and filled by `settings.reader`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.admin import checks
from flytekitplugins.awsbatch.admin.admin_settings import AdminEmulator, AdminSettings, ResourceSet, read_admin_settings
from flytekitplugins.awsbatch.admin.attribute_files import is_attribute_file
from flytekitplugins.awsbatch.admin.unknown_keys import keys_not_followed, misspelt_keys
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings
from flytekitplugins.awsbatch.lint.lint_settings import LintEmulator, LintSettings
from flytekitplugins.awsbatch.propeller.golang.duration import parse_duration
from flytekitplugins.awsbatch.propeller.golang.quantity import parse_quantity
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    CatalogCacheSettings,
    CatalogSettings,
    FidelitySettings,
    HandlerSettings,
    K8sPluginSettings,
    PropellerSettings,
    StorageSettings,
)
from flytekitplugins.awsbatch.settings.document import parse_yaml
from flytekitplugins.awsbatch.settings.problems import Problem, SettingsError
from flytekitplugins.awsbatch.settings.reader import SECTIONS, Reader, read_settings_directories
from flytekitplugins.awsbatch.settings.section import KEY, setting
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark, Scalar, is_null_yaml

# Long enough to come back to a run, short enough that a home does not grow for ever.
RETENTION_DAYS = 30.0
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ACCOUNT = re.compile(r"\d{12}")
TERMINATE, DETACH = "terminate", "detach"
CONTAINER = "container"
ISOLATIONS = ("fork", "worker", "process", CONTAINER)
BUILT_IN = "built-in settings"
LOCAL_ROLE = "arn:aws:iam::000000000000:role/local"
DEFAULT = Path(__file__).with_name("built_in.yaml").read_text(encoding="utf-8")
DURATIONS = (
    ("plugins", "aws", "batch", "defaultTimeout"),
    ("plugins", "aws", "batch", "jobStoreConfig", "resyncPeriod"),
    ("propeller", "node-config", "default-deadlines", "node-execution-deadline"),
    ("propeller", "node-config", "default-deadlines", "node-active-deadline"),
)


@dataclass(frozen=True)
class LocalEmulator:
    """The keys of `emulator` that say how this machine runs jobs.

    :param environment: whether a job sees your environment (`inherit`) or only its own (`clean`).
    :param execution_env: what becomes of the variables of `pyflyte run --env`: Flyte gives them to pods and never to
        jobs on AWS Batch (`drop`; its `awsbatch/transformer.go` passes nil); `forward` gives them to jobs here.
    :param isolation: how a job's Python command is started: `fork` forks each child from a warm interpreter, `worker`
        has a few warm processes run many children each, `process` starts a new interpreter for each child. With
        `container` every job runs in a container of its own image (see `emulator.container`).
    :param preload: what forked jobs have imported already: `installed`, flytekit and the installed modules that your
        modules import; `everything`, your modules too. `everything` is faster, and jobs share what your modules make
        while they are imported: ids, scratch folders, connections, locks, open files.
    :param keep_interpreters: how many warm interpreters a process keeps for its next emulated deployment when one
        closes, such as the next test's; each holds about 70 MB.
    :param fast_path: whether forked children of an array leave out steps of flytekit's that change nothing.
    :param on_interrupt: what becomes of jobs in an account when their run is interrupted (Ctrl-C, SIGTERM, a closed
        terminal): `terminate`, or `detach`, which leaves them running. A service in this process ends with it.
    :param keep_runs_days: runs that nobody has touched for longer are removed when a new one starts; 0: never.
    :param report: a file into which a process writes its executions when it ends, as one page; empty: none. The
        variable `FLYTE_AWSBATCH_REPORT` comes first.
    :param storage: the URL of a storage (`s3://bucket/prefix`) below which all files of executions lie. Empty: what
        `storage.container` and `propeller` say where jobs run on other machines, else the home.
    :param cache: the URL of a storage that keeps cached results, for whoever uses the same one. Empty: the home does.
    :param copy_code: which code travels to jobs on other machines, as `pyflyte run --copy` says it, which counts where
        it is given: `auto`, the modules that are loaded; `all`, the files of the source root; `none`, the image has it.
    :param build_images: whether flytekit builds and pushes images that are an ImageSpec before jobs are to start from
        them; false: they are there.
    """

    environment: str = setting("environment", "inherit", choices=("inherit", "clean"))
    execution_env: str = setting("execution_env", "drop", choices=("drop", "forward"))
    isolation: str = setting("isolation", "fork", choices=ISOLATIONS)
    preload: str = setting("preload", "installed", choices=("installed", "everything"))
    keep_interpreters: int = setting("keep_interpreters", 4, minimum=0, maximum=64)
    fast_path: bool = setting("fast_path", True)
    on_interrupt: str = setting("on_interrupt", TERMINATE, choices=(TERMINATE, DETACH))
    keep_runs_days: float = setting("keep_runs_days", RETENTION_DAYS, minimum=0, maximum=36_500, unit="days")
    report: str = setting("report", "")
    storage: str = setting("storage", "")
    cache: str = setting("cache", "")
    copy_code: str = setting("copy", "auto", choices=("auto", "all", "none"))
    build_images: bool = setting("build_images", True)


@dataclass(frozen=True)
class Settings:
    """
    :param files: what was read, as the user named it; empty for the built-in settings.
    :param notes: what a user should know about them, each a sentence.
    """

    admin: AdminSettings
    handler: HandlerSettings = field(default_factory=HandlerSettings)
    local: LocalEmulator = field(default_factory=LocalEmulator)
    batch: BatchSettings = field(default_factory=BatchSettings)
    lint: LintEmulator = field(default_factory=LintEmulator)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def wrong(self, key: str, value: str, expected: str) -> SettingsError:
        """The error about a value that turns out to be wrong only when it is used. See `Problem`."""
        return SettingsError([Problem(self.files[-1] if self.files else "", 0, key, value, expected)])

    @property
    def lint_settings(self) -> LintSettings:
        return LintSettings(self.lint.ignore, self.handler.aws.batch.max_array_job_size)


def load_settings_of_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the environment names, or the built-in ones.

    :raises SettingsError: with everything that is wrong in the files.
    """
    named = environ.get(wire.SWITCH_CONFIG, "")
    return load_all_settings([part for part in named.split(os.pathsep) if part])


def parse_all_settings(given: Mapping[str, Any] | str, name: str = "settings") -> Settings:
    """The settings of a text in YAML, or of the mapping that such a text would be."""
    return _parsed(given if isinstance(given, str) else yaml.safe_dump(dict(given), sort_keys=False), name)


@functools.lru_cache(maxsize=16)
def _parsed(text: str, name: str) -> Settings:
    """Cached, since every test of a suite asks for one of a few."""
    settings, reader = _read(Reader.from_text((name, text)), (name,))
    reader.finish()
    return settings


def load_all_settings(names: Sequence[str]) -> Settings:
    """The settings of some files, later ones over earlier ones; without any section of Flyte's, over the built-in."""
    if not names:
        return _built_in()
    settings, reader = read_all_settings(names)
    reader.finish()
    return settings


@functools.cache
def _built_in() -> Settings:
    return read_all_settings(())[0]


def read_all_settings(names: Sequence[str]) -> tuple[Settings, Reader]:
    """The settings as far as they can be read, and the reader that holds what is wrong with them."""
    return _read(Reader.from_files(read_settings_directories(names), aside=is_attribute_file), tuple(names))


def _read(given: Reader, names: tuple[str, ...]) -> tuple[Settings, Reader]:
    """Files that hold a section of Flyte's are a deployment's and taken at their word; others lie over the built-in."""
    deployment = given.others or any(given.layer(name)[1] is not None for name in SECTIONS - {"emulator"})
    built_in = [] if deployment else [parse_yaml(DEFAULT, BUILT_IN)]
    reader = Reader([*built_in, *given.documents], given.nested, given.others)
    owners = (AdminEmulator, FidelitySettings, LocalEmulator, BatchSettings, LintEmulator)
    emulator, fidelity, local, batch, lint = reader.own("emulator", *owners)
    admin = read_admin_settings(reader, emulator)
    handler = HandlerSettings(
        aws=reader.flyte(AwsPluginSettings, "plugins", "aws"),
        k8s=reader.flyte(K8sPluginSettings, "plugins", "k8s"),
        catalog_cache=reader.flyte(CatalogCacheSettings, "plugins", "catalogCache"),
        catalog=reader.flyte(CatalogSettings, "catalog-cache"),
        propeller=reader.flyte(PropellerSettings, "propeller"),
        storage=reader.flyte(StorageSettings, "storage"),
        emulation=fidelity,
    )
    reader.problems += [*checks.admin_role_key_faults(admin), *checks.admin_misnamed_queues(admin)]
    _check_texts(reader)
    batch = replace(batch, region=handler.aws.region, account_id=handler.aws.account_id or batch.account_id)
    notes = [str(problem) for problem in (*misspelt_keys(reader), *keys_not_followed(reader))]
    notes += [
        f"AWS would refuse {problem}"
        for problem in (*checks.admin_role_faults(admin), *aws_faults_of_all_settings(reader, handler))
    ]
    if built_in:
        whence = "no section of Flyte's in the settings" if names else f"{wire.SWITCH_CONFIG} names yours"
        notes.append(f"Built-in settings: queue default, role {emulator.role} ({whence}).")
    return Settings(admin, handler, local, batch, lint, names, tuple(notes)), reader


def aws_faults_of_all_settings(reader: Reader, handler: HandlerSettings) -> Iterator[Problem]:
    """The values of `plugins.aws` that AWS would refuse."""
    for key, value, right, expected in (
        ("region", handler.aws.region, REGION, "expected a region such as us-east-2"),
        ("accountId", handler.aws.account_id or "0" * 12, ACCOUNT, "expected the twelve digits of an account"),
    ):
        if not right.fullmatch(value):
            path, node = reader.node_at("plugins", "aws", key)
            mark = node.mark if node is not None else Mark()
            yield Problem.at(mark, path, expected, repr(value))


def _check_texts(reader: Reader) -> None:
    """FlyteAdmin does not start with a quantity that Kubernetes would not parse. Durations are texts that propeller's
    part reads only when a job runs, which is too late for a user."""
    names = [fld.metadata[KEY] for fld in fields(ResourceSet)]
    quantities = [("task_resources", group, name) for group in ("defaults", "limits") for name in names]
    for places, parse, expected in (
        (DURATIONS, parse_duration, "expected a duration such as 90m or 72h"),
        (quantities, parse_quantity, "expected a quantity such as 500m or 1Gi"),
    ):
        for keys in places:
            path, node = reader.node_at(*keys)
            if isinstance(node, Scalar) and not is_null_yaml(node):
                try:
                    parse(node.text)
                except ValueError:
                    reader.wrong(path, node, expected)
