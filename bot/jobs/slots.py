"""The places on one server: how many prompts are there, and whether one more may be."""

import asyncio


class Slots:
    """Counts up to `depth`; prompts that were there before us may be more."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._taken = 0
        self._freed = asyncio.Event()

    @property
    def taken(self) -> int:
        """How many prompts are there."""
        return self._taken

    def take(self) -> "Slot":
        """Take a place, whether or not one is free."""
        self._taken += 1
        return Slot(self)

    async def wait_free(self) -> None:
        """Return when a place is free."""
        while self._taken >= self._depth:
            self._freed.clear()
            await self._freed.wait()

    def give_back(self) -> None:
        """Count one prompt less; for `Slot`."""
        self._taken -= 1
        self._freed.set()


class Slot:
    """One place, given back exactly once."""

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def free(self) -> None:
        """Give the place back, if that was not done yet."""
        if self._slots is not None:
            self._slots.give_back()
            self._slots = None
