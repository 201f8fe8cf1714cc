"""What there is to copy, and how it is looked at afterwards."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from bot.cli.copy_database import DatabaseCopier
from bot.clock import SystemClock
from bot.jobs.job import Delivery, JobState
from bot.jobs.server_registry import Compatibility
from bot.policy.guild_workflows import GuildLimits, WorkflowRule
from bot.policy.pauses import EVERYTHING, Pause, of_member
from bot.policy.role_rules import RoleRule
from bot.settings import Settings
from bot.storage.database import Database, open_database
from bot.storage.schema.tables import metadata
from bot.workflow.run.events import OutputFile, OutputRef
from tests.storage.samples import (
    GPU,
    ME,
    done,
    failed,
    job,
    running,
    with_picture,
)
from tests.storage.servers.test_repository import ABLE, NO, known_class

RESULT = [OutputFile(OutputRef("9", "out.png", "", "output"), b"a result")]


def settings(source: str, folder: Path) -> Settings:
    return Settings(database_url=SecretStr(source), data_dir=folder, database_synchronous="normal")


async def copied(source: str, target: str, folder: Path, *, with_results: bool = True) -> tuple[str, list[str]]:
    said: list[str] = []
    command = DatabaseCopier(settings(source, folder), clock=SystemClock(), say=lambda word: said.append(str(word)))
    return "\n".join(await command.copy(target, with_results=with_results)), said


async def opened(url: str, stack: AsyncExitStack) -> Database:
    database = await open_database(url, synchronous="normal")
    stack.push_async_callback(database.close)
    return database


async def fill(database: Database) -> None:
    """Leave behind what a bot may: jobs in every state, pictures, and all that is kept beside them."""
    store = database.jobs
    await database.fleet.register({GPU: GPU, "http://old:8188": "http://old:8188"})
    await database.fleet.register({GPU: GPU})
    await database.fleet.add("http://b:8188", "http://ann:pw@b:8188", "big", 3)
    await database.fleet.drain("http://b:8188", drained=True)
    await database.fleet.describe(GPU, ABLE)
    await database.fleet.record_compatibility(
        GPU, {"c1": NO, "c2": Compatibility(is_compatible=True)}, ABLE.fingerprint
    )
    await database.policies.set_rule(RoleRule(guild_id=5, role_id=9, weight=2.5, lane=False))
    await database.policies.pause(
        Pause(of_member(5, 99), by=2, reason="caf\N{LATIN SMALL LETTER E WITH ACUTE}", at=1.0)
    )
    await database.policies.pause(Pause(EVERYTHING, by=2, at=1.0, until=2.0))
    await database.workflow_rules.set_workflow_rule(WorkflowRule(5, "imagine", 6, False, {"steps": 3}))
    await database.workflow_rules.set_guild_limits(GuildLimits(5, max_steps=20, max_pixels=1 << 40))
    await done(store, 1)
    await failed(store, 2, delivery=Delivery.SENT)
    await store.transition(await running(store, 3), JobState.DELIVERING, delivery=Delivery.PENDING, finished=110.0)
    await store.add(job(4, 8))
    await store.cancel("job4", 8, 5.0)
    await running(store, 5, spec=with_picture(b"\x00\xff" * 50_000))
    await store.add(job(6, 8, state=JobState.HELD, holder=ME, spec=with_picture()))
    for number in range(10, 25):
        user = 7 + number % 3
        await store.add(job(number, user, spec=with_picture(bytes([number]) * number), estimate=number % 7 + 0.5))
    await known_class(store, "c1", "c2")
    await store.record_event("paused", job_id="job1", actor="7", now=3.25)
    await database.results.put("job1", RESULT)
    await database.fleet.heartbeat(ME, "all", -1.0)
    await store.release_leases(ME)


async def dump(database: Database) -> Mapping[str, list[dict[str, Any]]]:
    """Return every row of every table, by table."""

    def work(conn: sa.Connection) -> dict[str, list[dict[str, Any]]]:
        return {
            table.name: [dict(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
            for table in metadata.sorted_tables
            if table.name != "process"
        }

    kept = await database.engine.read(work)
    for server in kept["server"]:
        server["last_seen"] = 0.0
    # Each engine has its own order of texts
    return {name: sorted(rows, key=lambda row: str(list(row.values())[:2])) for name, rows in kept.items()}
