"""The members: they order, wait while the bot is away, and ask again when nobody answered."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from tests.faults.process import BotProcess
from tests.faults.requests import Order
from tests.wire import WireDiscord, WireGuild

PATIENCE = 0.5
"""Seconds beyond Discord's own limit after which an answer can come no more."""
REFUSED_PAUSE = 1.0
"""Seconds before somebody who was refused, in a sentence that nobody else sees, asks again."""
COMES_BACK = 30.0
"""Seconds within which a bot that was started hears events again."""


class Crowd:
    """Members who all want one picture each, of every guild in turn.

    The first of `bots` hears the first guild, and so on; they begin again when there are more guilds than bots.
    """

    def __init__(self, wire: WireDiscord, bots: Sequence[BotProcess], random: Random) -> None:
        self._wire = wire
        self._bots = bots
        self._random = random
        self.orders: list[Order] = []
        self.ignored: list[Order] = []
        """Orders that a bot left unanswered though nobody killed it."""

    async def order(
        self,
        count: int,
        *,
        within: float = 0.0,
        steps: int = 4,
        with_pictures: float = 0.0,
        member: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> Sequence[Order]:
        """Order so many pictures, at random moments of so many seconds; return once every order is accepted.

        `with_pictures` is the share of those who bring one of their own; `member` orders all of them, if there is one;
        `more` are further options of the command.
        """
        first = len(self.orders)
        new = [
            Order(number, steps, self._random.random() < with_pictures, member=member, more=more or {})
            for number in range(first, first + count)
        ]
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
        gateway, guild = self._wire.gateway, self.guild_of(order)
        while order.accepted is None:
            await self._wire.world.changes.until(
                lambda: gateway.shard_of(guild.id) in gateway.live_sessions(), COMES_BACK, f"ears for {guild.id}"
            )
            await self._try(order, guild)

    def guild_of(self, order: Order) -> WireGuild:
        """Return where an order is made."""
        guilds = list(self._wire.world.guilds.values())
        return guilds[order.number % len(guilds)]

    async def _try(self, order: Order, guild: WireGuild) -> None:
        bot = self._bots[order.number % len(self._bots)]
        starts = bot.starts
        options = order.options()
        job = await self._wire.slash(order.command, options, wait=False, user_id=order.user_id, guild=guild)
        order.attempts.append(job)
        try:
            await job.answered(self._wire.state.ack_seconds + PATIENCE)
        except TimeoutError:
            if bot.starts == starts and bot.is_running:
                self.ignored.append(order)
            return
        if job.message is not None and not job.message.is_ephemeral:
            order.accepted = job
        else:
            order.refusals.append(job.text)
            await asyncio.sleep(REFUSED_PAUSE)
