"""Chance, with a grudge: kills the bot and ComfyUI at random moments, and starts them again as an owner would."""

import asyncio
from random import Random

from bot.sandbox.comfyui import StandIn
from tests.faults.process import BotProcess
from tests.wire import WireDiscord

AFTER = (0.0, 1.6)
"""Seconds of work between two blows."""
TOO_EARLY = 0.25
"""How often a blow hits a bot that is not even up."""
STOPS = 10.0
"""Seconds within which a bot that is asked to stop has ended."""
UP = 28.0
"""Seconds within which a bot that was started hears events."""
AWAY = (0.0, 0.8)
"""Seconds before the one that was killed is started again."""
BOT, COMFYUI, BOTH = "bot", "comfyui", "both"
EDIT = r"PATCH .*/messages/"
TROUBLE_EVERY = (0.1, 1.0)
"""Seconds between two troubles of Discord."""


class Havoc:
    """A number of blows against each, in random order, and a diary of them."""

    def __init__(self, random: Random, wire: WireDiscord, bot: BotProcess, comfy: StandIn) -> None:
        self._random = random
        self._wire = wire
        self._bot = bot
        self._comfy = comfy
        self.diary: list[str] = []
        self.politeness = 0.0
        """How often the bot is asked to stop, instead of killed."""

    async def wreak(self, *, bots: int = 0, comfyuis: int = 0, together: int = 0) -> None:
        """Strike so many times; `together` of the blows hit both at once."""
        blows = [BOT] * (bots - together) + [COMFYUI] * (comfyuis - together) + [BOTH] * together
        self._random.shuffle(blows)
        for blow in blows:
            if self._random.random() >= TOO_EARLY:
                await self._wire.ready(timeout=UP)
            await asyncio.sleep(self._random.uniform(*AFTER))
            await self._strike(blow)

    async def pester(self) -> None:
        """Let edits of messages meet one passing trouble after the other, until cancelled."""
        state = self._wire.state
        slow_down = {"message": "You are being rate limited.", "retry_after": 0.5, "global": False}
        troubles = (
            lambda: state.fail(EDIT, 503, body="upstream connect error"),
            lambda: state.fail(EDIT, 500, body="internal error", after=True),
            lambda: state.fail(EDIT, 429, body=slow_down, headers={"Retry-After": "1"}),
            lambda: state.drop(EDIT),
            lambda: state.drop(EDIT, after=True),
            lambda: state.delay(EDIT, self._random.uniform(0.1, 2.0), after=self._random.random() < 0.5),
        )
        while True:
            await asyncio.sleep(self._random.uniform(*TROUBLE_EVERY))
            self._random.choice(troubles)()

    async def _strike(self, blow: str) -> None:
        if blow != BOT:
            await self._comfy.kill()
        if blow != COMFYUI:
            await self._end_bot()
            await self._wire.world.changes.until(lambda: self._wire.gateway.live_shards() == 0, UP, "gone")
        self.diary.append(f"{blow} after {len(self._comfy.state.seen.prompts)} prompts")
        rest = [self._revive_comfy] * (blow != BOT) + [self._revive_bot] * (blow != COMFYUI)
        await asyncio.gather(*(revive() for revive in rest))

    async def _end_bot(self) -> None:
        if self._random.random() >= self.politeness:
            return await self._bot.kill()
        code, seconds = await self._bot.stop()
        assert code in (0, -15), f"exit code {code} when asked to stop"
        assert seconds < STOPS, f"{seconds:.1f} s to stop"
        return None

    async def _revive_bot(self) -> None:
        await asyncio.sleep(self._random.uniform(*AWAY))
        await self._bot.start()

    async def _revive_comfy(self) -> None:
        await asyncio.sleep(self._random.uniform(*AWAY))
        await self._comfy.start()
