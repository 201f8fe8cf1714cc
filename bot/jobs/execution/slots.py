"""The slots of one server: how many prompts it has, and whether it may get another."""

import asyncio


class Slots:
    """Counts up to `depth`; prompts taken over after a restart may exceed it."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._taken = 0
        self._freed = asyncio.Event()

    @property
    def taken(self) -> int:
        """Occupied slots."""
        return self._taken

    def take(self) -> "Slot":
        """Occupy a slot, even if none is free."""
        self._taken += 1
        return Slot(self)

    async def wait_free(self) -> None:
        while self._taken >= self._depth:
            self._freed.clear()
            await self._freed.wait()

    def give_back(self) -> None:
        """Free one slot; called by `NodeSlot`."""
        self._taken -= 1
        self._freed.set()


class Slot:
    """One occupied slot, freed exactly once."""

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def free(self) -> None:
        """Free the slot; later calls do nothing."""
        if self._slots is not None:
            self._slots.give_back()
            self._slots = None
