"""docs/reference/settings.md: every key of the settings files, from the classes that their owners declare."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from flytekitplugins.awsbatch.admin import admin_settings
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings
from flytekitplugins.awsbatch.lint.lint_settings import LintEmulator
from flytekitplugins.awsbatch.local.all_settings import LocalEmulator
from flytekitplugins.awsbatch.propeller import propeller_settings
from flytekitplugins.awsbatch.settings import section

from .docstrings import docstring
from .markdown import code, page, prose, sentence, table

INTRODUCTION = """\
Settings are YAML files that `FLYTE_AWSBATCH_CONFIG` names, separated by colons; later files lie over earlier ones.
`flyte-awsbatch config init` writes one to begin with, `flyte-awsbatch config check` says what is wrong with yours, and
[Use a deployment's settings](../how-to/deployment-settings.md) shows how they are used.

The sections of Flyte are those of FlyteAdmin's and FlytePropeller's own files and may be pasted from them, wherever a
Helm chart puts them. This page has the keys that have to do with AWS Batch; all others are ignored, as by Flyte. The
section `emulator` belongs to this package: an unknown key in it is an error. `none` as a default means that the files
do not say, and that the key is then left out of every decision.
"""

EMULATOR = (
    ("Who runs, and where", admin_settings.AdminEmulator),
    ("How this machine runs jobs", LocalEmulator),
    ("The local AWS Batch", BatchSettings),
    ("Fidelity", propeller_settings.FidelitySettings),
    ("Lint", LintEmulator),
)
# Path, class, and where Flyte v1.16.8 reads it.
FLYTE: tuple[tuple[str, Any, str], ...] = (
    ("queues", admin_settings.QueueSettings, "FlyteAdmin, `pkg/runtime/interfaces/queue_configuration.go`"),
    ("flyteadmin", admin_settings.ServerSettings, "FlyteAdmin, `pkg/runtime/interfaces/application_configuration.go`"),
    ("task_resources", admin_settings.TaskResources, "FlyteAdmin, `pkg/runtime/task_resource_provider.go`"),
    ("domains[]", admin_settings.Domain, "FlyteAdmin, `pkg/runtime/interfaces/application_configuration.go`"),
    ("tasks", admin_settings.TaskSettings, "FlytePropeller, `pkg/controller/nodes/task/config/config.go`"),
    (
        "plugins.aws",
        propeller_settings.AwsPluginSettings,
        "the plugin, `tasks/aws/config.go` and `awsbatch/config/config.go`",
    ),
    ("plugins.k8s", propeller_settings.K8sPluginSettings, "the plugins, `flytek8s/config/config.go`"),
    ("plugins.catalogCache", propeller_settings.CatalogCacheSettings, "the plugins, `catalog/config.go`"),
    ("catalog-cache", propeller_settings.CatalogSettings, "FlytePropeller, `pkg/controller/nodes/catalog/config.go`"),
    ("propeller", propeller_settings.PropellerSettings, "FlytePropeller, `pkg/controller/config/config.go`"),
    ("storage", propeller_settings.StorageSettings, "FlyteAdmin and FlytePropeller, `flytestdlib/storage/config.go`"),
)
HEAD = ("key", "type", "default", "meaning")
TYPES = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


def settings_page() -> str:
    parts = [INTRODUCTION, "## The section emulator"]
    for title, cls in EMULATOR:
        parts += [f"### {title}", f"Declared in `{owner(cls)}`.", rows_of(cls)]
        parts += nested(cls, "emulator.")
    parts += ["## Flyte's sections"]
    for path, cls, source in FLYTE:
        parts += [f"### {path.removesuffix('[]')}", f"Read by {source}.", rows_of(cls)]
        parts += nested(cls, f"{path}.")
    return page("Settings", "the settings classes of the package", parts)


def rows_of(cls: Any) -> str:
    """The table of a section's own keys; sections within it have tables of their own."""
    known, hints = docstring(cls).params, typing.get_type_hints(cls)
    own = [(one, key) for one, key in keys_of(cls) if not dataclasses.is_dataclass(optional(hints[one.name]))]
    if not own:
        return ""
    return table(
        HEAD,
        [
            (
                code(key),
                shown_type(hints[one.name], one.metadata),
                shown_default(one),
                prose(sentence(known[one.name])),
            )
            for one, key in own
        ],
    )


def owner(cls: Any) -> str:
    return str(cls.__module__).removeprefix("flytekitplugins.awsbatch.").replace(".", "/") + ".py"


def keys_of(cls: Any) -> Iterator[tuple[Any, str]]:
    for one in dataclasses.fields(cls):
        if section.KEY in one.metadata:
            yield one, one.metadata[section.KEY]


def nested(cls: Any, prefix: str) -> list[str]:
    """The sections within a section, and the items of its lists, each with its table."""
    parts = []
    hints = typing.get_type_hints(cls)
    for one, key in keys_of(cls):
        inner, path = optional(hints[one.name]), f"{prefix}{key}"
        if typing.get_origin(inner) is tuple and dataclasses.is_dataclass(typing.get_args(inner)[0]):
            inner, path = typing.get_args(inner)[0], f"{path}[]"
        if dataclasses.is_dataclass(inner):
            parts += [f"#### {path.removesuffix('[]')}", sentence(docstring(cls).params[one.name])]
            parts += [rows_of(inner), *nested(inner, f"{path}.")]
    return parts


def optional(hint: Any) -> Any:
    """The type without None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    return hint


def shown_type(hint: Any, metadata: Mapping[str, Any]) -> str:
    hint = optional(hint)
    if metadata[section.CHOICES] is not None and typing.get_origin(hint) is not tuple:
        return "one of " + ", ".join(code(one) for one in metadata[section.CHOICES])
    origin = typing.get_origin(hint)
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return "list of sections" if dataclasses.is_dataclass(inner) else "list of texts"
    if origin is not None:
        return "map of numbers" if typing.get_args(hint)[-1] is int else "map of texts"
    shown = TYPES[hint]
    if metadata[section.UNIT]:
        shown += f", {metadata[section.UNIT]}"
    least, most = metadata[section.MINIMUM], metadata[section.MAXIMUM]
    if least is not None:
        shown += f", at least {least:g}"
    if most is not None:
        shown += f", at most {most:,}"
    return shown


def shown_default(one: Any) -> str:
    value = one.default
    if value is dataclasses.MISSING:
        if one.default_factory is dataclasses.MISSING:
            return "required"
        value = one.default_factory()
    if value is None:
        return "none"
    if value in ("", (), {}):
        return "empty"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(f"{value:g}" if isinstance(value, float) else str(value))
