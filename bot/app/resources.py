"""The resources of a process: its id, the database, and the result files.

Opened before anything connects, so that a misconfigured bot fails early; closed last.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bot.app.instance_lock import acquire_instance_id
from bot.clock import SystemClock
from bot.errors import StartupError
from bot.i18n import _
from bot.jobs.cluster.bus import LocalBus, NotificationBus
from bot.jobs.delivery.result_files import FallbackResultStore, FileResultStore
from bot.jobs.repository import JobRepository, ResultStore
from bot.jobs.server_registry import ServerRegistry
from bot.policy.guild_workflows import WorkflowRulesRepository
from bot.policy.repository import PolicyRepository
from bot.settings import Settings
from bot.storage import database_url
from bot.storage.database import Database, open_database
from bot.storage.listen import PostgresBus
from bot.storage.notify import through

RESULTS = "results"
"""Folder of the result files in DATA_DIR."""
ALL = "all"
"""The role of a single process that does everything."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a bot keeps across restarts."""

    owner: str
    """The id of this process, stable across restarts."""
    database_id: str
    """The permanent id of the database, the same for all processes that use it."""
    store: JobRepository
    fleet: ServerRegistry
    policies: PolicyRepository
    workflow_rules: WorkflowRulesRepository
    results: ResultStore
    bus: NotificationBus
    """Notifications between the processes that share the database. `App` runs them."""
    exclusive: bool
    """Whether no other process can work on the same jobs."""
    is_shared: bool
    """Whether processes on other machines can use the database."""


@asynccontextmanager
async def open_resources(settings: Settings, role: str = ALL) -> AsyncGenerator[Resources]:
    """Open the resources for a process in this role. Raises `StartupError`."""
    url = settings.database_url.get_secret_value()
    if role != ALL and not database_url.is_shared(database_url.parse(url)):
        raise _needs_postgres(role)
    async with AsyncExitStack() as ending:
        owner = ending.enter_context(acquire_instance_id(settings.data_dir, role))  # nothing else runs yet
        database = await open_database(url, synchronous=settings.database_synchronous)
        ending.push_async_callback(database.close)
        yield await _resources(owner, database, settings, role)


async def _resources(owner: str, database: Database, settings: Settings, role: str) -> Resources:
    on_disk = FileResultStore(settings.data_dir / RESULTS, durable=settings.database_synchronous == "full")
    # With other processes, results go into the database; files from before the change are still found
    shelves = (on_disk, database.results) if role == ALL else (database.results, on_disk)
    return Resources(
        owner=owner,
        database_id=await database.fleet.database_id(),
        store=database.jobs,
        fleet=database.fleet,
        policies=database.policies,
        workflow_rules=database.workflow_rules,
        results=FallbackResultStore(*shelves),
        bus=_bus(owner, database, settings),
        exclusive=database.exclusive,
        is_shared=database.is_shared,
    )


def _bus(owner: str, database: Database, settings: Settings) -> NotificationBus:
    if not database.is_shared:
        return LocalBus()
    dsn = settings.database_listen_url or settings.database_url
    return PostgresBus(dsn=dsn.get_secret_value(), send_through=through(database.engine), clock=SystemClock(), me=owner)


def _needs_postgres(role: str) -> StartupError:
    return StartupError(
        _("--role {role} needs PostgreSQL. Set DATABASE_URL=postgresql://user:password@host/name, or leave out --role "
          "to run everything in one process.", role=role)
    )  # fmt: skip
