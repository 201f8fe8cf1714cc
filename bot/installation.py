"""What belongs to one installation on this machine: who this process is, the database, and the folder of results.

Opened before anything connects, so that a bot that cannot work says why at once; closed after everything else.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bot.clock import SystemClock
from bot.errors import StartupError
from bot.i18n import _
from bot.instance import claimed_instance
from bot.jobs.fleetrecords import FleetRecords
from bot.jobs.hints import Hints, LocalHints
from bot.jobs.records import JobStore
from bot.jobs.shelf import DiskShelf
from bot.jobs.shelves import TidyShelf, TwoShelves
from bot.jobs.store import address
from bot.jobs.store.listening import PostgresHints
from bot.jobs.store.mouth import through
from bot.jobs.store.opening import Database, open_database
from bot.policy.records import PolicyRecords
from bot.policy.workflows import WorkflowRules
from bot.settings import Settings

RESULTS = "results"
"""The folder of results in DATA_DIR."""
ALL = "all"
"""The role of a bot that is one process, and does everything."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a running bot keeps between its lives."""

    owner: str
    """The id of this instance, the same after a restart."""
    database_id: str
    """The id of the database: the same for all processes that work with it, for ever."""
    store: JobStore
    fleet: FleetRecords
    policies: PolicyRecords
    workflow_rules: WorkflowRules
    shelf: TidyShelf
    hints: Hints
    """What passes between the processes that work with the database; somebody has to `run` them, if they can be."""
    alone: bool
    """Whether no other process can be working on the same jobs."""
    is_shared: bool
    """Whether other processes can, on other machines too."""


@asynccontextmanager
async def opened(settings: Settings, role: str = ALL) -> AsyncGenerator[Installation]:
    """Open the installation for a process that works on it in this role. Raises `StartupError`."""
    url = settings.database_url.get_secret_value()
    if role != ALL and not address.is_shared(address.parse(url)):
        raise _needs_postgres(role)
    async with AsyncExitStack() as ending:
        owner = await _entered(ending, claimed_instance(settings.data_dir, role))
        database = await open_database(url, synchronous=settings.database_synchronous)
        ending.push_async_callback(database.close)
        yield await _installation(owner, database, settings, role)


async def _installation(owner: str, database: Database, settings: Settings, role: str) -> Installation:
    on_disk = DiskShelf(settings.data_dir / RESULTS, durable=settings.database_synchronous == "full")
    # Whoever has others elsewhere puts results where they find them; what was put before the change is found as well
    shelves = (on_disk, database.results) if role == ALL else (database.results, on_disk)
    return Installation(
        owner=owner,
        database_id=await database.fleet.installation(),
        store=database.jobs,
        fleet=database.fleet,
        policies=database.policies,
        workflow_rules=database.workflow_rules,
        shelf=TwoShelves(*shelves),
        hints=_hints(owner, database, settings),
        alone=database.alone,
        is_shared=database.is_shared,
    )


def _hints(owner: str, database: Database, settings: Settings) -> Hints:
    if not database.is_shared:
        return LocalHints()
    dsn = settings.database_listen_url or settings.database_url
    return PostgresHints(
        dsn=dsn.get_secret_value(), send_through=through(database.engine), clock=SystemClock(), me=owner
    )


def _needs_postgres(role: str) -> StartupError:
    return StartupError(
        _("The role {role} is for several processes, which share a PostgreSQL: name it in DATABASE_URL. A database in "
          "a file has one process, with the role all.", role=role)
    )  # fmt: skip


async def _entered(ending: AsyncExitStack, context: contextlib.AbstractContextManager[str]) -> str:
    value = await asyncio.to_thread(context.__enter__)
    ending.callback(context.__exit__, None, None, None)
    return value
