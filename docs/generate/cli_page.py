"""docs/reference/cli.md: every command of `flyte-awsbatch`, with its arguments and options, from click."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from flytekitplugins.awsbatch.cli.main import main

from .markdown import code, page, prose, sentence, table

INTRODUCTION = """\
`flyte-awsbatch` is installed with the package. The beginning of an execution's, a job's or a node's name is enough
wherever no other name begins so. Exit status of every command: 0 all is right, 1 it found something wrong, 2 it was
used wrongly; of `rerun`, the child's own.

Settings come from `-c` (also `--config`, `--settings`), else from `FLYTE_AWSBATCH_CONFIG`, else they are the built-in
ones; see [Settings](settings.md). Runs, logs and the cache lie in the home: `FLYTE_AWSBATCH_HOME`, else
`~/.flyte/awsbatch`.

## Completion in your shell

The command completes its subcommands and options when you press Tab. Put the line of your shell into its start file:

```sh
eval "$(_FLYTE_AWSBATCH_COMPLETE=bash_source flyte-awsbatch)"  # bash: ~/.bashrc
eval "$(_FLYTE_AWSBATCH_COMPLETE=zsh_source flyte-awsbatch)"  # zsh: ~/.zshrc
_FLYTE_AWSBATCH_COMPLETE=fish_source flyte-awsbatch | source  # fish: ~/.config/fish/config.fish
```
"""

JOBS_COMMANDS = """\
## Commands that jobs run

Two more commands are installed. Flyte starts them in jobs; you need neither.

| command | what it does |
|---|---|
| `pyflyte-awsbatch-map-execute` | runs one child of a map task: it finds its item, and runs the task on it |
| `pyflyte-awsbatch-timeout` | runs a command and ends it shortly before AWS Batch would, so that it is tried again |
"""


def cli_page() -> str:
    parts = [INTRODUCTION]
    for path, command in commands(main, ("flyte-awsbatch",)):
        parts += [f"{'#' * min(len(path), 3)} {' '.join(path)}", *about(path, command)]
    return page("The command flyte-awsbatch", "the commands in `flytekitplugins/awsbatch/cli`", [*parts, JOBS_COMMANDS])


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def about(path: tuple[str, ...], command: click.Command) -> list[str]:
    parts = [prose(inspect.cleandoc(command.help or "").replace("\b\n", ""))]
    if not isinstance(command, click.Group):
        parts.append(f"```text\n{' '.join(path)}{usage(command)}\n```")
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        parts.append(table(("option", "value", "default", "meaning"), [option_row(one) for one in options]))
    return parts


def usage(command: click.Command) -> str:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    has_options = any(isinstance(one, click.Option) for one in command.params)
    return "".join(f" {one}" for one in (*(["[OPTIONS]"] if has_options else []), *map(argument_text, arguments)))


def argument_text(argument: click.Argument) -> str:
    if argument.metavar:
        return argument.metavar
    name = (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def option_row(option: click.Option) -> tuple[str, str, str, str]:
    names = ", ".join(code(one) for one in [*option.opts, *option.secondary_opts])
    default = option.default
    told = option.show_default and not option.is_flag and default is not None and not callable(default)
    shown = code(str(default)) if told else ""
    return names, value_text(option), shown, prose(sentence(option.help or ""))


def value_text(option: click.Option) -> str:
    if option.is_flag:
        return ""
    kind = option.type
    if isinstance(kind, click.Choice):
        shown = ", ".join(code(str(one)) for one in kind.choices)
    elif option.metavar:
        shown = code(option.metavar)
    elif isinstance(kind, click.IntRange | click.FloatRange):
        shown = "number" + (f", at least {kind.min:g}" if kind.min is not None else "")
    else:
        shown = {"integer": "number", "float": "number"}.get(kind.name, kind.name)
    return f"{shown}; may be repeated" if option.multiple else shown
