"""Keeps the last reading of a server's `/object_info`, and takes a new one when it is told to."""

import asyncio
import logging

from bot.comfy.client import ComfyClient
from bot.comfy.parking import Park
from bot.errors import BotError
from bot.workflow.definitions import Definitions

log = logging.getLogger(__name__)


class Knowledge:
    """What one server can do."""

    def __init__(self, *, client: ComfyClient, server: str, park: Park) -> None:
        self._client = client
        self._server = server
        self._park = park
        self._stale = asyncio.Event()
        self.definitions = Definitions()

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
        self.definitions = await asyncio.to_thread(Definitions.parse, object_info)
        return self.definitions
