"""Checks whether ComfyUI runs at an address, while someone waits for the answer."""

import asyncio
from typing import NoReturn

from aiohttp import ClientSession

from bot.comfy.address import Address
from bot.comfy.client import ComfyClient
from bot.comfy.knowledge import read_abilities, read_machine
from bot.comfy.timing import Timing
from bot.errors import BotError, InputError, OfflineError
from bot.i18n import Message, _
from bot.workflow.execution import ServerFaultError, ServerOfflineError
from bot.workflow.needs import Abilities
from bot.workflow.shapes import items, mapping

PATIENCE = 5.0
"""Seconds in total."""
_FOR_A_PASSWORD = frozenset({401, 403, 407})


async def probe(address: Address, *, session: ClientSession, patience: float = PATIENCE) -> Abilities:
    """Return the server's capabilities; without definitions if listing the nodes takes too long.

    Raises `OfflineError` when nothing answers in time, and `InputError` when something other than ComfyUI answers.
    """
    timing = Timing(connect=patience, quick=patience, slow=patience)
    client = ComfyClient(session=session, address=address, server="the server asked about", timing=timing)
    ends = asyncio.get_running_loop().time() + patience
    try:
        async with asyncio.timeout_at(ends):
            stats = await client.system_stats()
    except ServerFaultError as err:
        _refuse(err)
    except (ServerOfflineError, TimeoutError) as err:
        raise OfflineError(_nobody(patience)) from err
    if not mapping(stats.get("system")) or not items(stats.get("devices")):
        raise InputError(_stranger())
    vram, version = read_machine(stats)
    try:
        async with asyncio.timeout_at(ends):
            return await asyncio.to_thread(read_abilities, await client.object_info(), vram, version)
    except (BotError, TimeoutError):
        return Abilities(vram=vram, version=version)


def _refuse(err: ServerFaultError) -> NoReturn:
    if err.status in _FOR_A_PASSWORD:
        raise InputError(
            _("The server at this address needs a password. Write it like http://user:password@192.168.0.7:8188.")
        ) from err
    raise InputError(_stranger()) from err


def _nobody(patience: float) -> Message:
    return _(
        "No answer from this address within {seconds} seconds. Make sure that ComfyUI is running there (start it with"
        " --listen if it is on another machine), and try again.",
        seconds=round(patience),
    )


def _stranger() -> Message:
    return _("Something answers at this address, but it isn't ComfyUI. Please check the address and the port.")
