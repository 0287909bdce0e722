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
        self._restore: tuple[Callable[[], object], ...] = ()
        self._state: Any = None
        self._seed = seed = random.Random.seed
        chosen = self._chosen

        def note_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            chosen[self] = a is not None
            seed(self, a, version)

        random.Random.seed = note_seed  # type: ignore[method-assign]
        random.seed = random._inst.seed
        # Where numpy gets a seed from the system.
        self._drawn: set[int] = set()
        self._unseeded: list[Any] = []
        self._seeded: list[Any] = []
        self._randbits = randbits = secrets.randbits

        def note_bits(k: int) -> int:
            bits = randbits(k)
            # numpy keeps this function for good.
            if secrets.randbits is note_bits:
                self._drawn.add(bits)
            return bits

        secrets.randbits = note_bits

    def freeze_random_state(self) -> None:
        """Called after the imports, and after `has_used_generator`, which looks for numpy's generators."""
        random.Random.seed = self._seed  # type: ignore[method-assign]
        random.seed = random._inst.seed
        secrets.randbits = self._randbits
        if self._chosen.pop(random._inst, False):
            self._state = random.getstate()
        self._reseed = tuple(_reseeding(generator) for generator, chosen in self._chosen.items() if not chosen)
        self._restore = tuple(
            functools.partial(generator.setstate, generator.getstate())
            for generator, chosen in self._chosen.items()
            if chosen
        )
        mtrand: Any = sys.modules.get("numpy.random.mtrand")
        if mtrand is not None:
            # numpy's seed() forgets the sequence from the system that it started with.
            if mtrand._rand._bit_generator._seed_seq is not None:
                self._reseed += (mtrand.seed,)
            else:
                self._restore += (functools.partial(mtrand.set_state, mtrand.get_state()),)
            self._reseed += tuple(functools.partial(_reseed_numpy, each) for each in self._unseeded)
            self._restore += tuple(functools.partial(setattr, each, "state", each.state) for each in self._seeded)
        self._drawn.clear()
        generator = _torch_generator()
        if generator is not None:
            # A seed from the system has some 50 bits; those that code chooses are smaller, as numpy's have to be.
            if generator.initial_seed() >> 32:
                self._reseed += (generator.seed,)
            else:
                self._restore += (functools.partial(generator.set_state, generator.get_state()),)

    def has_used_generator(self) -> bool:
        """Whether a generator of numpy's with a seed from the system has been drawn from, or was given a state."""
        self._find_numpy_generators()
        return any(str(type(each)(each._seed_seq).state) != str(each.state) for each in self._unseeded)

    def _find_numpy_generators(self) -> None:
        """Those whose seed came from the system, and the others; neither has numpy's own. One that was seeded again
        without a seed (`RandomState().seed()`) is taken for one of the others."""
        self._unseeded, self._seeded = [], []
        mtrand: Any = sys.modules.get("numpy.random.mtrand")
        if mtrand is None:
            return
        kind = sys.modules["numpy.random"].BitGenerator
        for each in gc.get_objects():
            # Not `isinstance`: it asks an object for its class, whereupon a module that is to be imported later is
            # imported, or says that it is not installed.
            if issubclass(type(each), kind) and each is not mtrand._rand._bit_generator:
                # The seed that code chose may also be a list of numbers.
                seed = getattr(each._seed_seq, "entropy", None)
                (self._unseeded if isinstance(seed, int) and seed in self._drawn else self._seeded).append(each)

    def reseed_after_fork(self) -> None:
        """Called in a child, where Python has given the module `random` a new seed already."""
        if self._state is not None:
            random.setstate(self._state)
        for reseed in self._reseed:
            reseed()

    def reseed_before_next_attempt(self) -> None:
        """Called in a process that has run another attempt before."""
        random.seed(_entropy())
        for restore in self._restore:
            restore()
        self.reseed_after_fork()


def _entropy() -> int:
    """A seed from the system. Without an argument `seed` asks for as much as a generator's whole state."""
    return int.from_bytes(os.urandom(32), "little")


def _reseeding(generator: random.Random) -> Callable[[], None]:
    seed = generator.seed
    return (lambda: seed(_entropy())) if type(generator) is random.Random else seed


def _reseed_numpy(generator: Any) -> None:
    generator.state = type(generator)().state


def _torch_generator() -> Any:
    """torch's own generator, if it has been imported: a module that is to be imported later stays so."""
    module = sys.modules.get("torch")
    return None if module is None else object.__getattribute__(module, "__dict__").get("default_generator")
