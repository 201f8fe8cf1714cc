"""The browser page of the simulated Discord, updated live."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

import simcord

from bot.sandbox.demo import seams
from bot.sandbox.demo.simulation import SimulatedDiscord

LOOK_EVERY = 0.25
"""Seconds between checks for changes; the page itself polls twice a second."""


@asynccontextmanager
async def open_page(
    sim: SimulatedDiscord,
    channel: simcord.ChannelHandle,
    viewers: Mapping[str, simcord.MemberActor],
    *,
    examples: Mapping[str, str],
    port: int,
) -> AsyncGenerator[simcord.Preview]:
    """Serve `channel` to a browser on this machine, as seen by one of `viewers` (role → member).

    `examples` maps commands to their descriptions, shown in the sidebar. Port 0 takes a free one.
    Raises `simcord.SetupError` when the port is taken.
    """
    preview = sim.env.preview(channel, viewers=list(viewers.values()), layout="channel", port=port)
    seams.serialise_actions(preview, sim.turn)
    seams.decode_here(preview)
    seams.dress_page(preview, Skin(examples, {member.name: role for role, member in viewers.items()}))
    async with preview:
        pump = asyncio.create_task(_publish_news(sim, preview), name="demo page")
        try:
            yield preview
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)


async def _publish_news(sim: SimulatedDiscord, preview: simcord.Preview) -> None:
    """Publish after each request of the bot; simcord publishes only after the viewer's own clicks."""
    seen = -1
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if (said := len(sim.env.http_requests)) == seen:
            continue  # each publication redraws the page
        async with sim.turn:
            with suppress(simcord.SetupError, TimeoutError):
                await preview.refresh()
                seen = said


class Skin:
    """Turns simcord's page for testers into one for visitors of the demo."""

    def __init__(self, examples: Mapping[str, str], roles: Mapping[str, str]) -> None:
        folder = files("bot.sandbox.demo")
        self._css = (folder / "skin.css").read_text(encoding="utf-8")
        told = f"const EXAMPLES = {json.dumps(dict(examples))};\nconst ROLES = {json.dumps(dict(roles))};"
        self._script = f"{{\n{told}\n{(folder / 'skin.js').read_text(encoding='utf-8')}\n}}"

    def __call__(self, path: str, text: str) -> str:
        """Return the modified text of the page's file at `path`."""
        match path:
            case "/":
                text = text.replace("<title>SimCord Preview</title>", "<title>Comfycord demo</title>")
                text = text.replace('aria-hidden="true">S</span>', 'aria-hidden="true">C</span>')
                return text.replace("<strong>SimCord</strong>", "<strong>Comfycord demo</strong>")
            case "/preview.css":
                return f"{text}\n{self._css}"
            case "/app.js":
                return f"{text}\n{self._script}"
            case _:
                return text
