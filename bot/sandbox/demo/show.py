"""Starts the demo: ComfyUI (or its stand-in), the bot, the simulated Discord and its browser page."""

import asyncio
import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import discord
import simcord
from pydantic import SecretStr

from bot.app.app import App, load_library
from bot.app.resources import open_resources
from bot.errors import BotError, FailedError, StartupError
from bot.i18n import Message, _
from bot.log import configure_logging
from bot.sandbox.comfyui import StandIn
from bot.sandbox.demo.first_job import PROMPT, FirstJob, ProgressLine
from bot.sandbox.demo.page import open_page
from bot.sandbox.demo.simulation import SimulatedDiscord
from bot.settings import Settings
from bot.workflow.workflow import Workflow

CHANNEL = "studio"
TOPIC = "Type / below to see the commands"
MODERATOR = discord.Permissions(
    manage_guild=True, manage_messages=True, moderate_members=True, kick_members=True, manage_channels=True
)
PICTURES = Path("data") / "demo"
"""Where the first image is saved; a temporary folder if this is not writable."""
SECONDS_PER_STEP = 0.25
"""Slow enough to see the progress bar move."""
COMFYUI_TIMEOUT = 10.0
"""Seconds for a real server to respond at start."""
SIMPLEST = ("imagine", "img2img", "inpaint", "upscale")
MAX_EXAMPLES = 8
"""Commands in the sidebar; the `/` list has all."""


class Show:
    """One run of the demo; call `run` once."""

    def __init__(self, *, comfyui: str | None, port: int, browser: bool, exit_after_first: bool, out: TextIO) -> None:
        self._comfyui = comfyui
        self._port = port
        self._browser = browser
        self._exit_after_first = exit_after_first
        self._out = out
        self._sim = SimulatedDiscord()

    async def run(self) -> int:
        """Run until cancelled, or until the first job has ended. Raises `StartupError`."""
        configure_logging("WARNING", "console")
        async with AsyncExitStack() as stack:
            self._say(_("Starting the Comfycord demo…"))
            workflows = await self._start_bot(stack)
            channel, you = await self._furnish(workflows)
            page = await self._open_page(stack, channel, you, workflows)
            self._introduce(page.url)
            succeeded = await self._first_job(channel, you)
            if self._exit_after_first:
                return 0 if succeeded else 1
            self._say(_("\nTry it yourself at {url}\nPress Ctrl-C to stop.", url=page.url))
            await asyncio.Event().wait()
        return 0

    async def _start_bot(self, stack: AsyncExitStack) -> Mapping[str, Workflow]:
        """Return the available workflows, the simplest first."""
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comfycord-demo-")))
        settings = Settings.model_construct(  # ignores the environment, so that the demo behaves the same everywhere
            comfyui_urls=(await self._find_comfyui(stack),), data_dir=data_dir, database_url=SecretStr("sqlite://")
        )
        library = await asyncio.to_thread(load_library, settings.workflows_dir)
        for problem in library.problems:
            self._say(_("  Note: {problem}", problem=problem))
        installation = await stack.enter_async_context(open_resources(settings))
        app = App(settings, library, installation, keep_alive=False)
        await stack.enter_async_context(self._sim.running(app.bot))
        try:
            async with asyncio.timeout(COMFYUI_TIMEOUT):
                await app.fleet.servers[0].refresh_definitions()
                await app.fleet.servers[0].wait_online()
        except (TimeoutError, BotError) as err:
            raise StartupError(_("No answer from ComfyUI. Is it running, and is the --comfyui address right?")) from err
        offered = app.offered()
        return {name: offered[name] for name in sorted(offered, key=lambda name: (name not in SIMPLEST, name))}

    async def _find_comfyui(self, stack: AsyncExitStack) -> str:
        if self._comfyui is None:
            stand_in = await stack.enter_async_context(StandIn())
            stand_in.state.seconds_per_step = SECONDS_PER_STEP
            return stand_in.url
        if not self._comfyui.startswith(("http://", "https://")):
            raise StartupError(_("--comfyui must start with http:// or https://"))
        return self._comfyui.rstrip("/")

    async def _furnish(self, workflows: Mapping[str, Workflow]) -> tuple[simcord.ChannelHandle, simcord.MemberActor]:
        channel = self._sim.channel(CHANNEL, topic=TOPIC)
        you = self._sim.member("you")
        room = self._sim.env.bot.get_channel(channel.id)
        if isinstance(room, discord.TextChannel):
            await room.send(str(self._welcome(workflows)))
        return channel, you

    def _welcome(self, workflows: Mapping[str, Workflow]) -> Message:
        pictures = (
            _("The images are drawn by a placeholder; add `--comfyui URL` to use your own GPU.")
            if self._comfyui is None
            else _("The images come from your own ComfyUI server.")
        )
        tips = {
            "imagine": _("`/imagine` with the prompt *a lighthouse by the sea*"),
            "img2img": _("`/img2img` with one of your images attached"),
            "upscale": _("`/upscale` to enlarge an image"),
        }
        return _(
            "## Welcome to Comfycord\n"
            "You're talking to the real bot in a simulated Discord on your own computer. {pictures}\n"
            "Type `/` below, or try one of these:\n{tips}",
            pictures=pictures,
            tips="\n".join(f"- {tip}" for name, tip in tips.items() if name in workflows),
        )

    async def _open_page(
        self,
        stack: AsyncExitStack,
        channel: simcord.ChannelHandle,
        you: simcord.MemberActor,
        workflows: Mapping[str, Workflow],
    ) -> simcord.Preview:
        viewers = {"member": you, "moderator": self._sim.member("Mod", permissions=MODERATOR)}
        named = list(workflows.items())[:MAX_EXAMPLES]
        examples = {name: workflow.manifest.description for name, workflow in named}
        try:
            return await stack.enter_async_context(
                open_page(self._sim, channel, viewers, examples=examples, port=self._port)
            )
        except simcord.SetupError as err:
            raise StartupError(
                _("Port {port} isn't available. Choose another one with --port.", port=self._port)
            ) from err

    def _introduce(self, url: str) -> None:
        comfyui = _("placeholder, no GPU needed") if self._comfyui is None else _("your own server")
        self._say(_("  ComfyUI  {comfyui}\n  Discord  simulated, at {url}", comfyui=comfyui, url=url))
        if self._browser and _has_display():
            # in a daemon thread: with some browsers the call returns only when they are closed
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    async def _first_job(self, channel: simcord.ChannelHandle, you: simcord.MemberActor) -> bool:
        self._say(_("\nFirst job: /imagine prompt: {prompt}", prompt=PROMPT))
        try:
            picture = await FirstJob(self._sim, channel, you).run(
                await asyncio.to_thread(_folder), ProgressLine(self._out)
            )
        except FailedError as error:
            self._say(_("  Failed: {reason}", reason=error.user_message))
            return False
        self._say(_("  Done in {seconds} s: {path}", seconds=round(picture.seconds), path=picture.path))
        return True

    def _say(self, message: Message) -> None:
        self._out.write(f"{message}\n")
        self._out.flush()


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _folder() -> Path:
    try:
        PICTURES.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="comfycord-demo-"))
    return PICTURES
