"""What members and moderators did before the upgrade: a job in every state, and a decision of each kind.

The names of the jobs are those by which `jobs.json` knows them.
"""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.sandbox.comfyui import StandIn
from bot.sandbox.comfyui.state import NodeFault
from tests.faults.images import many, png
from tests.faults.requests import is_over, shows
from tests.faults.single_process import Installation
from tests.transport.conftest import until
from tests.wire import Attachment, WireInteraction, WireRole

PATRONS = WireRole(4_194_304_000_777, "patrons")
PAINTER, RESTING, PRIVATE = 101, 102, 103
"""Who has three ended jobs and a history, whom moderators paused, and whose answers only they see."""
SMALL = {"width": 64, "height": 64, "seed": "7"}
ALMOST_EXPIRED = 818.0
"""Seconds: *Show result* is offered at once to who asked so long ago."""
LONG = 60.0
LIMIT = 30.0

DECISIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("moderate pause", {"what": "workflow", "workflow": "upscale", "for": "7d", "reason": "a new model comes"}),
    ("moderate pause", {"what": "member", "member": RESTING, "reason": "forty at once"}),
    ("moderate role", {"role": PATRONS.id, "weight": 2.5, "running": 3, "pictures_day": 44}),
    ("workflow disable", {"workflow": "outpaint"}),
    ("workflow default", {"workflow": "imagine", "option": "cfg", "value": "6.5"}),
    ("workflow limit", {"largest_side": 1016}),
    ("server drain", {"server": "spare"}),
)


@dataclass
class Past:
    """A running bot, a second ComfyUI that is added to it, and the jobs so far."""

    house: Installation
    spare: StandIn
    database: Path
    jobs: dict[str, WireInteraction] = field(default_factory=dict[str, WireInteraction])

    async def ask(self, name: str, user_id: int, *, steps: int = 4, **where: Any) -> WireInteraction:
        """Let a member ask for a picture; its prompt is the name of the job."""
        options = {"prompt": name, **SMALL, "steps": steps}
        self.jobs[name] = await self.house.wire.slash("imagine", options, user_id=user_id, **where)
        return self.jobs[name]

    async def bring(self, name: str, user_id: int, command: str, **options: Any) -> None:
        """Let a member ask for something with a picture of their own."""
        self.jobs[name] = await self.house.wire.slash(command, options, user_id=user_id)

    async def state(self, name: str, *states: str) -> None:
        """Return once the database says that a job is in one of these states, and how its end was told."""
        await until(lambda: self._state(name) in states, LIMIT)

    def _state(self, name: str) -> str:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            query = "SELECT state || ' ' || delivery FROM job WHERE interaction_id = ?"
            row = database.execute(query, (self.jobs[name].id,)).fetchone()
        database.close()
        return row[0] if row else ""

    async def happens(self) -> None:
        """Let all of it happen; at the end nothing that is under way can go on."""
        await self._decisions()
        await self._ends()
        await self._result_that_nobody_could_see()
        await self._deliveries()
        await self._work()

    async def _decisions(self) -> None:
        adding = ("server add", {"url": self.spare.url, "name": "spare"})
        for command, options in (adding, *DECISIONS):
            answer = await self.house.wire.slash(command, options, user_id=self.house.wire.guild.owner_id)
            said = (await answer.wait_for(lambda message: bool(message.text))).text
            print(f"{command}: {said.splitlines()[0]}")  # noqa: T201  # whoever runs this looks at it

    async def _ends(self) -> None:
        state = self.house.comfy.state
        done = await self.ask("done", PAINTER, roles=[PATRONS.id])
        await done.wait_for(is_over, LIMIT)
        state.node_faults["KSampler"] = NodeFault("the sampler met a fault")
        await (await self.ask("failed", PAINTER, roles=[PATRONS.id])).wait_for(is_over, LIMIT)
        state.node_faults.clear()
        state.seconds_per_step = 1.0
        await self.ask("cancelled", PAINTER, roles=[PATRONS.id])
        await self.state("cancelled", "running none")
        await self.house.wire.slash("cancel", user_id=PAINTER)
        await self.state("cancelled", "cancelled sent")
        await self.house.wire.slash("history", user_id=PAINTER)

    async def _result_that_nobody_could_see(self) -> None:
        self.house.comfy.state.seconds_per_step = 1.0
        kept = await self.ask("kept", PRIVATE, force_ephemeral=True, age=ALMOST_EXPIRED)
        await kept.wait_for(lambda message: bool(shows(message)), LIMIT)
        kept.expire()
        await self.state("kept", "done kept")
        self.house.comfy.state.seconds_per_step = 0.0

    async def _deliveries(self) -> None:
        comfy, wire = self.house.comfy, self.house.wire
        _sizes, comfy.state.extra_output = many(comfy.directory, 21)
        wire.state.delay(r"POST .*/channels/\d+/messages", 0.0)  # one further message gets through
        wire.state.fail(r"POST .*/channels/\d+/messages", 503, times=None)
        await self.ask("half posted", 110)
        await until(lambda: sum(len(message.attachments) for message in wire.world.messages.values()) > 20, LIMIT)
        comfy.state.extra_output = {}
        comfy.state.seconds_per_step = 0.5
        delivering = await self.ask("delivering", 111)
        await self.state("delivering", "running none")
        assert delivering.message
        for way in (rf"/{delivering.token}/", rf"/messages/{delivering.message.id}"):
            wire.state.fail(rf"PATCH .*{way}", 503, times=None)
        await self.state("delivering", "delivering pending")
        await self.state("half posted", "delivering pending")

    async def _work(self) -> None:
        """Two are with ComfyUI, all others wait for it."""
        self.house.comfy.state.seconds_per_step = LONG
        await self.ask("running", 120, steps=60)
        await self.state("running", "running none")
        await self.ask("next", 121)
        await self.state("next", "running none")
        await self._line()
        slow = Attachment("slow.png", png((72, 64)), delay=LONG)
        await self.bring("held", 140, "img2img", image=slow, prompt="held")
        await self.state("held", "held none")
        await asyncio.sleep(3.0)  # until all messages say how things stand

    async def _line(self) -> None:
        picture = Attachment("mine.png", png((72, 64)))
        await self.ask("queued", 130)
        await self.ask("to be cancelled", 131)
        await self.bring("with a picture", 132, "img2img", image=picture, prompt="with a picture", steps=4)
        await self.bring("paused", 133, "upscale", image=picture, factor=2.0)
        await self.ask("member paused", RESTING)
        private = await self.ask("private", PRIVATE, force_ephemeral=True, age=ALMOST_EXPIRED)
        for name in ("queued", "to be cancelled", "with a picture", "paused", "member paused", "private"):
            await self.state(name, "queued none")
        await private.wait_for(lambda message: bool(shows(message)), LIMIT)
