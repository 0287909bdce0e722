"""What a settings file can be at most: larger ones are refused with the bound, before they cost memory or time."""

from __future__ import annotations

from pathlib import Path

import pytest

from flytekitplugins.awsbatch.settings.document import MAX_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_KEY, parse_yaml
from flytekitplugins.awsbatch.settings.problems import SettingsError
from flytekitplugins.awsbatch.settings.reader import MAX_FILES, Reader, read_settings_directories

LONG_LIST = f"[{', '.join('x' for _ in range(MAX_ITEMS + 1))}]"
LONG_MAP = f"{{{', '.join(f'k{place}: x' for place in range(MAX_ITEMS + 1))}}}"
HALF = f"{{{', '.join(f'k{place}: x' for place in range(MAX_ITEMS // 2 + 1))}}}"
OTHERS = HALF.replace("k", "m")
# Each level is ten deep and holds the one before it: some hundred levels in a file that has eleven.
TOWER = "l0: &l0 [x]\n" + "".join(
    f"l{level}: &l{level} {'[' * 10}*l{level - 1}{']' * 10}\n" for level in range(1, MAX_DEPTH // 10 + 1)
)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (f"a: '{'x' * MAX_BYTES}'", "expected at most 4 MiB of settings"),
        (TOWER, f"expected at most {MAX_DEPTH} levels once aliases are written out"),
        (f"emulator: {LONG_LIST}", f"f:1: expected at most {MAX_ITEMS} items in a list"),
        (f"emulator: {LONG_MAP}", f"f:1: expected at most {MAX_ITEMS} keys in a map"),
        (
            f"a: &a {HALF}\nb: {{<<: *a, {HALF.replace('k', 'm')[1:]}",
            f"f:2: expected at most {MAX_ITEMS} keys in a map",
        ),
        (f"? '{'k' * (MAX_KEY + 1)}'\n: x", f"f:1: expected a key of at most {MAX_KEY} characters"),
    ],
    ids=["bytes", "levels", "list", "map", "merged map", "key"],
)
def test_a_text_past_a_bound_is_one_problem_that_names_the_bound(text: str, bound: str) -> None:
    document = parse_yaml(text, "f")
    (problem,) = document.problems
    assert document.root is None
    assert bound in str(problem)


def test_as_many_as_are_allowed_are_read() -> None:
    listed = f"[{', '.join('x' for _ in range(MAX_ITEMS))}]"
    assert parse_yaml(f"{'a' * MAX_KEY}: {listed}", "f").problems == ()


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    (problem,) = Reader.from_files([Path("/dev/zero")]).problems
    assert str(problem) == "/dev/zero: expected at most 4 MiB of settings"


def test_blocks_of_a_file_that_is_too_large_are_not_read_either(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(f"  queues:\n    x: {'y' * MAX_BYTES}\ntasks:\n  x: 1\n")
    (problem,) = Reader.from_files([tmp_path / "f.yaml"]).problems
    assert problem.expected == "expected at most 4 MiB of settings"


def test_a_config_map_cannot_repeat_a_file_for_ever(tmp_path: Path) -> None:
    large = "#" * (MAX_BYTES // 8)
    repeated = "".join(f"  f{place}.yaml: *f\n" for place in range(9))
    (tmp_path / "f.yaml").write_text(f"kind: ConfigMap\ndata:\n  f.yaml: &f '{large}'\n{repeated}")
    (problem,) = Reader.from_files([tmp_path / "f.yaml"]).problems
    assert problem.expected == "expected at most 4 MiB of settings once aliases are written out"


def test_a_directory_of_many_files_is_no_deployments(tmp_path: Path) -> None:
    for place in range(MAX_FILES + 1):
        (tmp_path / f"{place}.yaml").touch()
    with pytest.raises(SettingsError, match=f"expected at most {MAX_FILES} YAML files in a directory"):
        list(read_settings_directories([str(tmp_path)]))
