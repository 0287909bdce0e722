"""Random numbers after a fork: every child its own, except where the job's own code chose a seed while it was
imported.
"""

from __future__ import annotations

import os
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any


class RandomState:
    """The state of the random generators; made before the imports."""

    def __init__(self) -> None:
        self._chosen: weakref.WeakKeyDictionary[random.Random, bool] = weakref.WeakKeyDictionary()
        self._reseed: tuple[Callable[[], None], ...] = ()
        self._state: Any = None
        self._seeded: list[tuple[random.Random, Any]] = []
        self._seed = seed = random.Random.seed
        chosen = self._chosen

        def note_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            chosen[self] = a is not None
            seed(self, a, version)

        random.Random.seed = note_seed  # type: ignore[method-assign]
        random.seed = random._inst.seed

    def freeze_random_state(self) -> None:
        """Called after the imports."""
        random.Random.seed = self._seed  # type: ignore[method-assign]
        random.seed = random._inst.seed
        if self._chosen.pop(random._inst, False):
            self._state = random.getstate()
        self._seeded = [(generator, generator.getstate()) for generator, chosen in self._chosen.items() if chosen]
        self._reseed = tuple(_reseeding(generator) for generator, chosen in self._chosen.items() if not chosen)
        mtrand: Any = sys.modules.get("numpy.random.mtrand")
        # numpy's seed() forgets the sequence from the system that it started with.
        if mtrand is not None and mtrand._rand._bit_generator._seed_seq is not None:
            self._reseed += (mtrand.seed,)

    def reseed_after_fork(self) -> None:
        """Called in a child, where Python has given the module `random` a new seed already."""
        if self._state is not None:
            random.setstate(self._state)
        for reseed in self._reseed:
            reseed()

    def reseed_before_next_attempt(self) -> None:
        """Called in a process that has run another attempt before."""
        random.seed(_entropy())
        for generator, state in self._seeded:
            generator.setstate(state)
        self.reseed_after_fork()


def _entropy() -> int:
    """A seed from the system. Without an argument `seed` asks for as much as a generator's whole state."""
    return int.from_bytes(os.urandom(32), "little")


def _reseeding(generator: random.Random) -> Callable[[], None]:
    seed = generator.seed
    return (lambda: seed(_entropy())) if type(generator) is random.Random else seed


def is_unknown_random_generator(each: Any) -> bool:
    """Whether this is a generator of numpy's whose seed may come from the system."""
    numpy: Any = sys.modules.get("numpy.random")
    # Not `isinstance`: it asks an object for its class, whereupon a module that is to be imported later is imported, or
    # says that it is not installed.
    if numpy is None or not issubclass(type(each), numpy.Generator | numpy.RandomState):
        return False
    return each is not sys.modules["numpy.random.mtrand"]._rand
