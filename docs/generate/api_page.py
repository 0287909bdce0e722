"""docs/reference/api.md: the names that users import, and the pytest fixtures, from their docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

import flytekitplugins_awsbatch_pytest as plugin
from flytekitplugins import awsbatch

from .docstrings import docstring
from .markdown import code, page, prose, sentence, table

INTRODUCTION = """\
Everything here is imported from `flytekitplugins.awsbatch`, unless it says otherwise. [Tasks for AWS Batch](sdk.md)
explains how these work together, and what Flyte does with them.
"""
FIXTURES = """\
## In pytest

The distribution brings a pytest plugin; there is nothing to import or to configure.
[Test a workflow](../how-to/testing.md) shows how to use it.
"""
ENVIRONMENT = """\
## Environment variables

| variable | meaning |
|---|---|
| `FLYTE_AWSBATCH` | `local`: an AWS Batch on this machine; `aws`: your account; a URL: the service there; `off`: none |
| `FLYTE_AWSBATCH_CONFIG` | settings files, separated by colons; switches the emulation on as well |
| `FLYTE_AWSBATCH_RESUME` | the name, or the beginning of the name, of an execution to resume |
| `FLYTE_AWSBATCH_HOME` | where runs, logs and the cache are kept; `~/.flyte/awsbatch`, if unset |
| `FLYTE_AWSBATCH_TOKEN` | the token of `flyte-awsbatch serve`, in place of `--token` |

They are read at each call of a task. `emulation(...)` and the fixture switch on regardless of them.
"""


def api_page() -> str:
    parts = [INTRODUCTION]
    parts += described("AWSBatchConfig", awsbatch.AWSBatchConfig, "class")
    parts += described("map_task", awsbatch.map_task)
    parts += described("emulation", awsbatch.emulation)
    parts += ["## Emulation", "What `with emulation() as awsbatch` and the fixture `awsbatch` give you."]
    parts += [members(awsbatch.Emulation)]
    parts += [FIXTURES]
    for name in ("awsbatch", "awsbatch_factory"):
        parts += [f"### {name}", prose(inspect.cleandoc(unwrapped(getattr(plugin, name)).__doc__ or ""))]
    signature, _, meaning = plugin.MARKER.partition(": ")
    parts += ["### The marker awsbatch", f"`@pytest.mark.{signature}`: {meaning}."]
    parts += ["## Exceptions and warnings", "[Errors](errors.md) says what to do about each."]
    for name, thing in (
        ("AWSBatchTaskError", awsbatch.AWSBatchTaskError),
        ("AWSBatchWarning", awsbatch.AWSBatchWarning),
        ("TaskFailedError", awsbatch.TaskFailedError),
        ("SettingsError", awsbatch.SettingsError),
        ("HomeError", awsbatch.HomeError),
    ):
        parts += described(name, thing, "class", level=3, signature=False)
    return page("Python API", "the docstrings of the package", [*parts, ENVIRONMENT])


def unwrapped(fixture: Any) -> Any:
    """The function of a fixture: pytest 8.4 keeps it under a name of its own, earlier ones as any wrapper does."""
    return getattr(fixture, "_fixture_function", None) or inspect.unwrap(fixture)


def described(name: str, thing: Any, kind: str = "", *, level: int = 2, signature: bool = True) -> list[str]:
    about = docstring(thing)
    parts = [f"{'#' * level} {name}"]
    if signature:
        parts.append(f"```text\n{kind}{' ' if kind else ''}{name}{parameters(thing)}\n```")
    parts.append(prose(about.text))
    if about.params:
        rows = [(code(one), prose(sentence(text))) for one, text in about.params.items()]
        parts.append(table(("attribute" if not signature else "parameter", "meaning"), rows))
    parts += [f"Raises `{one}` {prose(text.rstrip('.'))}." for one, text in about.raises.items()]
    return parts


def parameters(thing: Any) -> str:
    """The signature, a line a parameter, without the package's paths in its types."""
    shown = []
    star = False
    for one in inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        shown.append(str(one))
    text = "".join(f"    {one},\n" for one in shown)
    return "(\n" + re.sub(r"[a-z_]+(?:\.[a-z_]+)*\.(?=[A-Z])", "", text).replace("'", "") + ")"


def members(cls: Any) -> str:
    rows = []
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            rows.append((code(name), prose(inspect.cleandoc(member.fget.__doc__ or HOME))))
        elif inspect.isfunction(member):
            _, *own = inspect.signature(member).parameters.values()
            names = ", ".join(str(one).split(":")[0] for one in own)
            about = docstring(member)
            told = "".join(f" {code(one)}: {text}" for one, text in about.params.items())
            rows.append((code(f"{name}({names})"), prose(about.text + told)))
    return table(("attribute", "what it gives"), rows)


HOME = "The folder that holds its runs, logs and cache."
