"""Random numbers after a fork: every child its own, except where the job's own code chose a seed while it was
imported.
"""

from __future__ import annotations

import functools
import gc
import os
import random
import secrets
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
        # Where numpy gets a seed from the system.
        self._drawn: set[int] | None = set()
        self._randbits = randbits = secrets.randbits

        def note_bits(k: int) -> int:
            bits = randbits(k)
            if self._drawn is not None:
                self._drawn.add(bits)
            return bits

        secrets.randbits = note_bits

    def freeze_random_state(self) -> None:
        """Called after the imports."""
        random.Random.seed = self._seed  # type: ignore[method-assign]
        random.seed = random._inst.seed
        secrets.randbits = self._randbits
        if self._chosen.pop(random._inst, False):
            self._state = random.getstate()
        self._seeded = [(generator, generator.getstate()) for generator, chosen in self._chosen.items() if chosen]
        self._reseed = tuple(_reseeding(generator) for generator, chosen in self._chosen.items() if not chosen)
        mtrand: Any = sys.modules.get("numpy.random.mtrand")
        # numpy's seed() forgets the sequence from the system that it started with.
        if mtrand is not None and mtrand._rand._bit_generator._seed_seq is not None:
            self._reseed += (mtrand.seed,)
        self._reseed += tuple(functools.partial(_reseed_numpy, each) for each in self._unseeded_numpy_generators())
        self._drawn = None
        torch: Any = getattr(sys.modules.get("torch"), "default_generator", None)
        # A seed from the system has some 50 bits; those that code chooses are smaller, as numpy's have to be.
        if torch is not None and torch.initial_seed() >> 32:
            self._reseed += (torch.seed,)

    def has_used_generator(self) -> bool:
        """Whether a generator of numpy's with a seed from the system has been drawn from, or was given a state."""
        return any(
            str(type(each)(each._seed_seq).state) != str(each.state) for each in self._unseeded_numpy_generators()
        )

    def _unseeded_numpy_generators(self) -> list[Any]:
        """Those whose seed came from the system, without numpy's own."""
        numpy: Any = sys.modules.get("numpy.random")
        if numpy is None or self._drawn is None:
            return []
        own = sys.modules["numpy.random.mtrand"]._rand._bit_generator
        # Not `isinstance`: it asks an object for its class, whereupon a module that is to be imported later is
        # imported, or says that it is not installed.
        objects = gc.get_objects()
        found = [each for each in objects if issubclass(type(each), numpy.BitGenerator) and each is not own]
        # The seed that code chose may also be a list of numbers.
        seeds = [getattr(each._seed_seq, "entropy", None) for each in found]
        return [each for each, seed in zip(found, seeds, strict=True) if isinstance(seed, int) and seed in self._drawn]

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


def _reseed_numpy(generator: Any) -> None:
    generator.state = type(generator)().state
