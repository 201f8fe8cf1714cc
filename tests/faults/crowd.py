"""The members: they order, wait while the bot is away, and ask again when nobody answered."""

import asyncio
from collections.abc import Sequence
from random import Random

from tests.faults.orders import Order
from tests.faults.process import BotProcess
from tests.wire import WireDiscord

PATIENCE = 0.5
"""Seconds beyond Discord's own limit after which an answer can come no more."""
REFUSED_PAUSE = 1.0
"""Seconds before somebody who was refused, in a sentence that nobody else sees, asks again."""
COMES_BACK = 30.0
"""Seconds within which a bot that was started hears events again."""


class Crowd:
    """Members who all want one picture each."""

    def __init__(self, wire: WireDiscord, bot: BotProcess, random: Random) -> None:
        self._wire = wire
        self._bot = bot
        self._random = random
        self.orders: list[Order] = []
        self.ignored: list[Order] = []
        """Orders that a bot left unanswered though nobody killed it."""

    async def order(
        self, count: int, *, within: float = 0.0, steps: int = 4, with_pictures: float = 0.0
    ) -> Sequence[Order]:
        """Order so many pictures, at random moments of so many seconds; return once every order is accepted.

        `with_pictures` is the share of those who bring one of their own.
        """
        first = len(self.orders)
        new = [Order(number, steps, self._random.random() < with_pictures) for number in range(first, first + count)]
        self.orders += new
        delays = [self._random.uniform(0, within) for _ in new]
        await asyncio.gather(*(self._insist(order, delay) for order, delay in zip(new, delays, strict=True)))
        return new

    async def ends(self, seconds: float) -> None:
        """Return once all messages show an end, or the time is over: the census tells which do not."""
        for order in self.orders:
            assert order.accepted is not None
        try:
            await self._wire.world.changes.until(lambda: all(order.has_ended for order in self.orders), seconds, "ends")
        except TimeoutError:
            return

    async def _insist(self, order: Order, delay: float) -> None:
        await asyncio.sleep(delay)
        while order.accepted is None:
            await self._wire.ready(timeout=COMES_BACK)
            await self._try(order)

    async def _try(self, order: Order) -> None:
        starts = self._bot.starts
        options = order.options()
        job = await self._wire.slash(order.command, options, wait=False, user_id=1000 + order.number)
        order.attempts.append(job)
        try:
            await job.answered(self._wire.state.ack_seconds + PATIENCE)
        except TimeoutError:
            if self._bot.starts == starts and self._bot.is_running:
                self.ignored.append(order)
            return
        if job.message is not None and not job.message.is_ephemeral:
            order.accepted = job
        else:
            order.refusals.append(job.text)
            await asyncio.sleep(REFUSED_PAUSE)
