"""A doorbell that loses, repeats and holds back rings, on purpose and by a seed: nothing may depend on a hint."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from quaero.doorbell.port import Doorbell


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances of what becomes of a ring: it is lost, repeated, or held back until after a later one."""

    lost: float = 0.0
    repeated: float = 0.0
    late: float = 0.0


class FaultyBell:
    """Implements `doorbell.port.Doorbell` over another one; one who waits is woken for nothing now and then, too."""

    def __init__(self, bell: Doorbell, faults: Faults, seed: int) -> None:
        self._bell = bell
        self._faults = faults
        self._dice = random.Random(seed)
        self._held: list[tuple[Collection[int], bool]] = []
        self.asked = self.passed_on = 0

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        """Whatever the dice say; what was held back follows, newest first."""
        self.asked += 1
        held, self._held = self._held, []
        if self._dice.random() < self._faults.late:
            self._held = [*held, (trees, work)]
            return
        for rung in ((trees, work), *reversed(held)):
            if self._dice.random() < self._faults.lost:
                continue
            for _ in range(3 if self._dice.random() < self._faults.repeated else 1):
                self.passed_on += 1
                self._bell.ring(*rung)

    def heed(self, trees: Collection[int], work: bool) -> None:
        """As the bell does; what it is told may be lost, too."""
        if self._dice.random() >= self._faults.lost:
            self._bell.heed(trees, work)

    async def wait(self, timeout: float) -> bool:
        """As the bell does; sometimes it says that somebody rang though nobody did."""
        return await self._bell.wait(timeout) or self._dice.random() < self._faults.repeated

    def close(self) -> None:
        """As the bell does."""
        self._bell.close()
