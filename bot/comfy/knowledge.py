"""Keeps what a server last told about itself, and asks again when it is told to."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from bot.comfy.client import ComfyClient
from bot.comfy.parking import Park
from bot.errors import BotError
from bot.workflow.definitions import Definitions
from bot.workflow.needs import Abilities
from bot.workflow.shapes import items, mapping, size, text

log = logging.getLogger(__name__)

MAX_VERSION = 40
"""Characters of a version; a fork may write what it likes."""


class Knowledge:
    """What one server can do. `on_learnt` is told when that is not what it was, and must return at once."""

    def __init__(self, *, client: ComfyClient, server: str, park: Park, on_learnt: Callable[[], None]) -> None:
        self._client = client
        self._server = server
        self._park = park
        self._on_learnt = on_learnt
        self._stale = asyncio.Event()
        self.abilities = Abilities()

    async def run(self) -> None:
        """Read after every `renew`, until cancelled."""
        while True:
            await self._park(self._stale.wait())
            self._stale.clear()
            try:
                await self.refresh()
            except BotError as err:
                log.warning("%s: its node definitions could not be read (%s)", self._server, err)

    def renew(self) -> None:
        """Ask for a new reading; returns at once."""
        self._stale.set()

    async def refresh(self) -> Definitions:
        """Read now. Raises `ServerOfflineError`, `ServerFaultError`."""
        object_info = await self._client.object_info()
        vram, version = await self._machine()
        learnt = await asyncio.to_thread(read_abilities, object_info, vram, version)
        is_news = learnt.fingerprint != self.abilities.fingerprint
        self.abilities = learnt
        if is_news:
            self._on_learnt()
        return learnt.definitions

    async def _machine(self) -> tuple[int, str]:
        """Return memory and version; what was known, where the server does not say: jobs need the nodes above all."""
        try:
            return read_machine(await self._client.system_stats())
        except BotError as err:
            log.debug("%s: nothing about its memory (%s)", self._server, err)
            return self.abilities.vram, self.abilities.version


def read_machine(stats: Mapping[str, Any]) -> tuple[int, str]:
    """Return the bytes of memory of the first device, and ComfyUI's version, from `/system_stats`."""
    devices = items(stats.get("devices"))
    version = text(mapping(stats.get("system")).get("comfyui_version"))
    return size(mapping(devices[0] if devices else None).get("vram_total")), version[:MAX_VERSION]


def read_abilities(object_info: Mapping[str, Any], vram: int, version: str) -> Abilities:
    """Return them with the fingerprint made, which takes some 50 ms for a large server: not for the event loop."""
    abilities = Abilities(Definitions.parse(object_info), vram, version)
    log.debug("a server can do %s", abilities.fingerprint)
    return abilities
