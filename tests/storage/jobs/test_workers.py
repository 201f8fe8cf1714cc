"""Several workers on one PostgreSQL, killed at random: every job ends, and nothing is posted twice."""

import asyncio
import itertools
import random
import sys
import uuid
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.jobs.job import TRANSITIONS, Delivery, JobState
from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.engines import Database, execute
from tests.storage.samples import job
from tests.storage.worker_processes import SERVERS

JOBS = 60
PATIENCE = 50.0
"""Seconds; on an idle machine it takes about five."""

AUDIT = """
CREATE TABLE audit (n bigserial PRIMARY KEY, job_id text, state text, epoch int, posted bool, prompt_id text);
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit (job_id, state, epoch, posted, prompt_id)
    VALUES (new.id, new.state, new.epoch, new.posted, new.prompt_id);
    RETURN NULL;
END $$;
CREATE TRIGGER audited AFTER INSERT OR UPDATE ON job FOR EACH ROW EXECUTE FUNCTION audited();
"""
"""Writes down every version of every job, in the order in which they were made."""


async def crowd_database(postgres_url: str) -> Database:
    """Return a database of its own, in which every change is written down."""
    name = f"crowd_{uuid.uuid4().hex}"
    import asyncpg

    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    database = Database(url)
    await database.open()
    connection = await asyncpg.connect(url)
    await connection.execute(AUDIT)
    await connection.close()
    return database


async def ended(store: SqlJobRepository) -> bool:
    """Return whether every job has ended and is told."""
    (left,) = await execute(
        store,
        "SELECT count(*) AS jobs FROM job "
        "WHERE state NOT IN ('done', 'failed', 'cancelled') OR delivery NOT IN ('sent', 'kept')",
    )
    return left["jobs"] == 0


async def run_crowd(database: Database, folder: Path, seed: int) -> None:
    """Let the workers work and die until everything has ended."""
    store = database.stores[0]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.worker_processes", database.url, str(folder), str(seed)
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not ((folder / "calm").exists() and await ended(store)):
                assert process.returncode is None, "a worker ended by itself"
                await asyncio.sleep(0.1)
    finally:
        (folder / "stop").touch()
        assert await process.wait() == 0


@pytest.mark.timeout(60)
async def test_workers_that_are_killed_lose_and_repeat_nothing(postgres_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201
    for server in SERVERS:
        (tmp_path / server).touch()
    database = await crowd_database(postgres_url)
    store = database.stores[0]
    for number in range(JOBS):
        await store.add(job(1_000_000 + number, user_id=number % 5))
    await run_crowd(database, tmp_path, seed)

    lives = int((tmp_path / "lives").read_text())
    takeovers = await execute(store, "SELECT sum(epoch) - count(*) AS number FROM server")
    assert lives > 20, "they lived too well for a test"
    assert takeovers[0]["number"] > 0, "no server changed hands"
    jobs = await store.browse([], limit=100_000)
    assert len(jobs) > JOBS
    assert all(entry.state.is_final and entry.delivery is Delivery.SENT for entry in jobs)
    check_posts(tmp_path, {entry.id: entry.losses for entry in jobs})
    check_fences(tmp_path)
    await check_history(store)
    assert await store.recount() == []
    assert await execute(store, "SELECT sum(waiting) AS w, sum(running) AS r FROM account") == [{"w": 0, "r": 0}]
    print(f"{lives} lives, {len(jobs)} jobs, {takeovers[0]['number']} takeovers")  # noqa: T201
    await database.close()


def check_posts(folder: Path, losses: dict[str, int]) -> None:
    """No prompt was posted twice, and no job more often than it was lost."""
    lines = [line.split() for server in SERVERS for line in (folder / server).read_text().splitlines()]
    assert max(Counter(prompt_id for prompt_id, _job in lines).values()) == 1
    for job_id, posts in Counter(job_id for _prompt, job_id in lines).items():
        assert 1 <= posts <= 1 + losses[job_id], job_id


def check_fences(folder: Path) -> None:
    """No two workers ever had a job under the same epoch."""
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in (folder / "carried").read_text().splitlines():
        job_id, epoch, life = line.split()
        holders[job_id, epoch].add(life)
    assert [key for key, lives in holders.items() if len(lives) > 1] == []


async def check_history(store: SqlJobRepository) -> None:
    """Every job went from state to state as it may, under epochs that only grew; each claim had a prompt of its own."""
    versions: dict[str, list[tuple[JobState, int]]] = defaultdict(list)
    prompts: dict[str, set[str]] = defaultdict(set)
    for row in await execute(store, "SELECT * FROM audit ORDER BY n"):
        versions[row["job_id"]].append((JobState(row["state"]), row["epoch"]))
        prompts[row["prompt_id"]].add(row["job_id"])
    for job_id, states in versions.items():
        for (before, old), (after, new) in itertools.pairwise(states):
            assert before is after or after in TRANSITIONS[before], job_id
            assert old <= new, job_id
    assert [prompt_id for prompt_id, job_ids in prompts.items() if prompt_id and len(job_ids) > 1] == []
