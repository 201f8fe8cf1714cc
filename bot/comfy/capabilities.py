"""What a server can do: read once from any address (`probe`), or kept up to date (`CapabilityCache`)."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import ClientSession

from bot.comfy.client import ComfyClient
from bot.comfy.timeouts import Timeouts
from bot.comfy.url import ServerUrl
from bot.errors import BotError, InputError, OfflineError
from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.json_access import (
    items,
    mapping,
    size,
    text,
)
from bot.workflow.run.events import ServerFaultError, ServerOfflineError
from bot.workflow.run.needs import Abilities

log = logging.getLogger(__name__)

MAX_VERSION = 40
"""Maximum characters of a version, which forks may choose freely."""
PROBE_TIMEOUT = 5.0
"""Seconds in total."""
_NEEDS_PASSWORD = frozenset({401, 403, 407})


class CapabilityCache:
    """The capabilities of one server. `on_change` is called on every change, and must return at once."""

    def __init__(self, *, client: ComfyClient, server: str, on_change: Callable[[], None]) -> None:
        self._client = client
        self._server = server
        self._on_change = on_change
        self._stale = asyncio.Event()
        self.abilities = Abilities()

    async def run(self) -> None:
        """Refresh after every `invalidate`, until cancelled."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self.refresh()
            except BotError as err:
                log.warning("%s: cannot read its node definitions (%s)", self._server, err)

    def invalidate(self) -> None:
        """Request a refresh; returns at once."""
        self._stale.set()

    async def refresh(self) -> Definitions:
        """Refresh now. Raises `ServerOfflineError`, `ServerFaultError`."""
        object_info = await self._client.object_info()
        vram, version = await self._machine()
        current = await asyncio.to_thread(read_abilities, object_info, vram, version)
        changed = current.fingerprint != self.abilities.fingerprint
        self.abilities = current
        if changed:
            self._on_change()
        return current.definitions

    async def _machine(self) -> tuple[int, str]:
        """Return VRAM and version, falling back to the last known ones: jobs depend on the nodes above all."""
        try:
            return read_machine(await self._client.system_stats())
        except BotError as err:
            log.debug("%s: cannot read its system stats (%s)", self._server, err)
            return self.abilities.vram, self.abilities.version


async def probe(address: ServerUrl, *, session: ClientSession, timeout: float = PROBE_TIMEOUT) -> Abilities:
    """Return the server's capabilities; without definitions if listing the nodes takes too long.

    Raises `OfflineError` when nothing answers in time, and `InputError` when something other than ComfyUI answers.
    """
    timeouts = Timeouts(connect=timeout, quick=timeout, slow=timeout)
    client = ComfyClient(session=session, address=address, server="the probed server", timeouts=timeouts)
    deadline = asyncio.get_running_loop().time() + timeout
    try:
        async with asyncio.timeout_at(deadline):
            stats = await client.system_stats()
    except ServerFaultError as err:
        raise InputError(_password_needed() if err.status in _NEEDS_PASSWORD else _not_comfyui()) from err
    except (ServerOfflineError, TimeoutError) as err:
        raise OfflineError(_no_answer(timeout)) from err
    if not mapping(stats.get("system")) or not items(stats.get("devices")):
        raise InputError(_not_comfyui())
    vram, version = read_machine(stats)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.to_thread(read_abilities, await client.object_info(), vram, version)
    except (BotError, TimeoutError):
        return Abilities(vram=vram, version=version)


def read_machine(stats: Mapping[str, Any]) -> tuple[int, str]:
    """Return the first device's memory in bytes and ComfyUI's version, from `/system_stats`."""
    devices = items(stats.get("devices"))
    version = text(mapping(stats.get("system")).get("comfyui_version"))
    return size(mapping(devices[0] if devices else None).get("vram_total")), version[:MAX_VERSION]


def read_abilities(object_info: Mapping[str, Any], vram: int, version: str) -> Abilities:
    """Parse capabilities including the fingerprint; 50 ms for a large server, so run it off the event loop."""
    abilities = Abilities(Definitions.parse(object_info), vram, version)
    log.debug("a server has the capabilities %s", abilities.fingerprint)
    return abilities


def _password_needed() -> Message:
    return _("The server at this address needs a password. Write it like http://user:password@192.168.0.7:8188.")


def _no_answer(seconds: float) -> Message:
    return _(
        "No answer from this address within {seconds} seconds. Make sure that ComfyUI is running there (start it with"
        " --listen if it is on another machine), and try again.",
        seconds=round(seconds),
    )


def _not_comfyui() -> Message:
    return _("Something answers at this address, but it isn't ComfyUI. Please check the address and the port.")
