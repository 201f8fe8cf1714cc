"""Finds out, while somebody waits for the answer, whether a ComfyUI is at an address."""

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
"""Seconds for all of it."""
_FOR_A_PASSWORD = frozenset({401, 403, 407})


async def probe(address: Address, *, session: ClientSession, patience: float = PATIENCE) -> Abilities:
    """Return what the server says about itself; without definitions, if it takes longer to list its nodes.

    Raises `OfflineError` when nothing answers in time, and `InputError` when what answers is no ComfyUI.
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
            _("The server at this address wants a password. Write it like http://user:password@192.168.0.7:8188.")
        ) from err
    raise InputError(_stranger()) from err


def _nobody(patience: float) -> Message:
    return _(
        "Nothing answered at this address within {seconds} seconds. Make sure that ComfyUI runs there and lets other"
        " machines in (its option --listen), and try again.",
        seconds=round(patience),
    )


def _stranger() -> Message:
    return _("Something answers at this address, but it is not a ComfyUI. Please check the address and the port.")
