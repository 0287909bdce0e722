"""Every command line that the documentation shows exists, with the options that it shows."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from backends import ROOT
from doc_pages import commands, pages, prose_of
from flytekit.clis.sdk_in_container.pyflyte import main as pyflyte

from flytekitplugins.awsbatch.cli.main import main as flyte_awsbatch

CHECKED = {"flyte-awsbatch": flyte_awsbatch, "pyflyte": pyflyte}
# Whatever else a reader is told to type; a new word here is a new thing that readers need.
OTHERS = {
    *("aws", "cd", "curl", "eval", "export", "mkdir", "printf", "REGION=us-east-1", "openssl", "cat", "source", "."),
    *("pip", "python", "python3", "pytest", "make", "git", "pre-commit", "mkdocs"),
    *("podman", "docker", "apt-get", "systemctl", "twine"),
}
MAKE_TARGETS = set(
    re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)[0].split()
)
# Folders of the repository; a reader's own have other names.
OURS = ("tests/", "benchmarks/", "examples/")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
# `flyte-awsbatch jobs [EXECUTION] [--children]` in running text.
MENTIONED = re.compile(r"(?<!`)`((?:flyte-awsbatch|pyflyte) [^`]+)`(?!`)")
# What the changelog quotes as a mistake.
MISTAKEN = {"flyte-awsbatch job"}


def simple_commands(line: str) -> list[list[str]]:
    """The words of each command of a line, without assignments, redirections and what is put in by `$(...)`."""
    found: list[list[str]] = [[]]
    words = iter(shlex.split(re.sub(r"<(\w+)>", r"\1", line), posix=True))
    for word in words:
        if word in ("&&", "|", "||", ";", "&"):
            found.append([])
        elif word in (">", ">>", "<", "2>"):
            next(words)
        elif found[-1] or not ASSIGNMENT.match(word):
            found[-1].append(word)
    return [one for one in found if one]


def complaint(words: list[str], *, whole: bool) -> str:
    """What click would say of a command line; empty, where it would go ahead.

    :param whole: whether everything that the command asks for has to be there.
    """
    name, *rest = words
    command: click.Command = CHECKED[name]
    context = click.Context(command, info_name=name)
    try:
        while isinstance(command, click.Group) and type(command).__name__ != "RunCommand":
            _, rest, _ = command.make_parser(context).parse_args(list(rest))
            if not rest:
                return ""
            inner = command.get_command(context, rest[0])
            if inner is None:
                return f"no such command: {rest[0]}"
            command, rest = inner, rest[1:]
            context = click.Context(command, parent=context, info_name=rest[0] if rest else "")
        given, left, _ = command.make_parser(context).parse_args(list(rest))
    except click.UsageError as error:
        return error.format_message()
    if left and not isinstance(command, click.Group):
        return f"unexpected: {' '.join(left)}"
    for one in command.params:
        value = given.get(one.name or "")
        chosen = (value if isinstance(value, list) else [value]) if isinstance(one.type, click.Choice) and value else []
        for each in chosen:
            if each not in one.type.choices:
                return f"{each} is none of {one.type.choices}"
        if whole and one.required and not value:
            return f"{one.name} is missing"
    return ""


def complaint_of_others(words: list[str]) -> str:
    """What is certain to be wrong with a command that is not this package's; empty, where nothing is."""
    if words[0].rpartition("/")[2] not in OTHERS:
        return "unknown to this test"
    if words[0] == "make" and (missing := {one for one in words[1:] if "=" not in one} - MAKE_TARGETS):
        return f"no target of the Makefile: {missing}"
    return next((f"there is no {one}" for one in words[1:] if one.startswith(OURS) and not (ROOT / one).exists()), "")


@pytest.mark.parametrize("page", pages())
def test_command_lines_exist(page: str) -> None:
    wrong = []
    for line in commands(page):
        for words in simple_commands(line):
            said = complaint(words, whole=True) if words[0] in CHECKED else complaint_of_others(words)
            if said:
                wrong.append(f"{shlex.join(words)}: {said}")
    assert wrong == []


@pytest.mark.parametrize("page", pages())
def test_commands_in_running_text_exist(page: str) -> None:
    wrong = []
    for text in MENTIONED.findall(prose_of(page)):
        plain = re.sub(r"\s*(?:\.\.\.|…)", "", re.sub(r"(?<=\s)\[|\[(?=:)|\]", "", text))
        # `queue explain|export` stands for two.
        for choice in alternatives(plain):
            said = complaint(shlex.split(choice.replace("\\|", " ")), whole=False)
            if said and not said.endswith("requires an argument.") and text not in MISTAKEN:
                wrong.append(f"{text}: {said}")
    assert wrong == []


def alternatives(text: str) -> list[str]:
    words = text.split()
    for place, word in enumerate(words):
        if re.fullmatch(r"[a-z]+(\\?\|[a-z]+)+", word):
            return [" ".join([*words[:place], one, *words[place + 1 :]]) for one in re.split(r"\\?\|", word)]
    return [text]


def test_a_mistaken_command_is_told() -> None:
    assert "No such option" in complaint(["flyte-awsbatch", "jobs", "--childs"], whole=True)
    assert "no such command" in complaint(["flyte-awsbatch", "job"], whole=True) or complaint(
        ["flyte-awsbatch", "job"], whole=True
    )
    assert "No such option" in complaint(["pyflyte", "run", "--environment", "A=1", "a.py", "wf"], whole=True)
