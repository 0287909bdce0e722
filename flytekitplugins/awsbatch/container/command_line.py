"""A map child's command line, the task that it names, and the paths of one item. Reads no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flytekit.tools.module_loader import load_object_from_module

from ..maptask import bound_names
from .array_index import OriginalIndex


@dataclass(frozen=True)
class Child:
    """A child's command line: the options of `pyflyte-map-execute`, prefixes still without the index.

    :param timeout: the time limit that AWS Batch was given for the attempt, in seconds; 0 for none known.
    """

    inputs: str
    output_prefix: str
    raw_output_data_prefix: str | None
    checkpoint_path: str | None
    prev_checkpoint: str | None
    resolver: str
    resolver_args: tuple[str, ...]
    dynamic_addl_distro: str | None = None
    dynamic_dest_dir: str | None = None
    timeout: int = 0
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def load_task(self) -> Any:
        """The task that is mapped. Raises whatever importing the user's module raises; the import is tried once."""
        loaded = self._loaded
        if not loaded:
            try:
                resolver = load_object_from_module(self.resolver)()
                loaded["task"] = resolver.load_inner(list(self.resolver_args))
            except Exception as error:
                loaded["error"] = error
        if "error" in loaded:
            raise loaded["error"]
        return loaded["task"]

    def item_prefix(self, index: OriginalIndex) -> str:
        return f"{self.output_prefix}/{index}"

    @property
    def bound(self) -> set[str]:
        """The inputs that are the same for all children."""
        return bound_names(list(self.resolver_args))


def command_line_at_index(path: str | None, index: OriginalIndex) -> str | None:
    """The paths of one item. All children are given one checkpoint path; each needs its own, the same after a retry."""
    return f"{path}/{index}" if path else None
