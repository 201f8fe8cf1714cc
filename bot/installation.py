"""What belongs to one installation on this machine: who this process is, the database, and the folder of results.

Opened before anything connects, so that a bot that cannot work says why at once; closed after everything else.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bot.instance import claimed_instance
from bot.jobs.records import JobStore
from bot.jobs.shelf import DiskShelf
from bot.jobs.store.opening import open_store
from bot.settings import Settings

RESULTS = "results"
"""The folder of results in DATA_DIR."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a running bot keeps between its lives."""

    owner: str
    """The id of this instance, the same after a restart."""
    store: JobStore
    shelf: DiskShelf
    alone: bool
    """Whether no other process can be working on the same jobs."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Installation]:
    """Open the installation for the one bot that works on it. Raises `StartupError`."""
    async with AsyncExitStack() as ending:
        owner = await _entered(ending, claimed_instance(settings.data_dir))
        store = await open_store(
            settings.database_url.get_secret_value(), synchronous=settings.database_synchronous, exclusive=True
        )
        ending.push_async_callback(store.close)
        shelf = DiskShelf(settings.data_dir / RESULTS, durable=settings.database_synchronous == "full")
        yield Installation(owner=owner, store=store, shelf=shelf, alone=store.alone)


async def _entered(ending: AsyncExitStack, context: contextlib.AbstractContextManager[str]) -> str:
    value = await asyncio.to_thread(context.__enter__)
    ending.callback(context.__exit__, None, None, None)
    return value
