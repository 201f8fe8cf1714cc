"""Hints between processes on a real PostgreSQL: heard at once, or known not to be."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from bot.aio import cancel_and_wait
from bot.clock import SystemClock
from bot.errors import StartupError
from bot.jobs.cluster.bus import Topic
from bot.storage import listen
from bot.storage.engine.postgres import PostgresEngine
from bot.storage.listen import POLL_INTERVAL, POLL_INTERVAL_WITHOUT_NOTIFY, PostgresBus
from bot.storage.notify import MAX_PENDING, through
from tests.storage.breakable_connection import wire_to


@dataclass
class Process:
    """One of several processes on a database, and what it has heard."""

    bus: PostgresBus
    engine: PostgresEngine
    heard: list[tuple[Topic, str]] = field(default_factory=list[tuple[Topic, str]])

    def __post_init__(self) -> None:
        for topic in Topic:
            self.bus.subscribe(topic, lambda payload, topic=topic: self.heard.append((topic, payload)))

    async def until_heard(self, topic: Topic, payload: str = "", seconds: float = 1.0) -> None:
        await until(lambda: (topic, payload) in self.heard, seconds)

    async def until_it_hears(self) -> None:
        await until(lambda: self.bus.poll_interval == POLL_INTERVAL)

    async def until_it_is_deaf(self) -> None:
        await until(lambda: self.bus.poll_interval == POLL_INTERVAL_WITHOUT_NOTIFY)

    async def execute(self, sql: str) -> None:
        await self.engine.write(lambda conn, _again: conn.execute(sa.text(sql)), single=True)

    async def cut_off_all_listeners(self) -> None:
        await self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN|^SELECT 1$'")


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    for _ in range(int(seconds * 200)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"did not come true within {seconds} s")


@asynccontextmanager
async def process(url: str, listen_url: str = "") -> AsyncGenerator[Process]:
    """A process that sends through `url`, and listens there too unless told where else."""
    engine = PostgresEngine(sa.make_url(url))
    bus = PostgresBus(dsn=listen_url or url, send_through=through(engine), clock=SystemClock())
    running = asyncio.create_task(bus.run())
    try:
        yield Process(bus, engine)
    finally:
        await cancel_and_wait(running)
        await bus.close()
        await engine.close()


@asynccontextmanager
async def two_processes(url: str) -> AsyncGenerator[tuple[Process, Process]]:
    async with process(url) as one, process(url) as other:
        await one.until_it_hears()
        await other.until_it_hears()
        yield one, other


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, so that a test takes less than a second."""
    for name, seconds in {
        "SELF_TEST_TIMEOUT": 0.3,
        "SELF_TEST_INTERVAL": 0.2,
        "QUERY_TIMEOUT": 0.3,
        "RECONNECT_DELAYS": (0.05,),
    }.items():
        monkeypatch.setattr(listen, name, seconds)


async def another_database(url: str) -> str:
    name = f"deaf_{uuid.uuid4().hex}"
    engine = PostgresEngine(sa.make_url(url))
    await engine.write(lambda conn, _again: conn.execute(sa.text(f"CREATE DATABASE {name}")), single=True)
    await engine.close()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.mark.parametrize("pooled", [False, True], ids=["plain", "statement_cache_size=0"])
async def test_two_processes_hear_each_other_within_a_second_and_themselves_once(
    postgres_url: str, pooled: bool
) -> None:
    url = f"{postgres_url}&statement_cache_size=0" if pooled else postgres_url
    async with two_processes(url) as (one, other):
        began = time.monotonic()
        one.bus.send(Topic.CANCEL, 'http://gpu "1"/ü')
        assert one.heard == [(Topic.CANCEL, 'http://gpu "1"/ü')], "itself at once"
        await other.until_heard(Topic.CANCEL, 'http://gpu "1"/ü')
        other.bus.send(Topic.WORK)
        await one.until_heard(Topic.WORK)
        assert time.monotonic() - began < 1.0
        await asyncio.sleep(0.1)
        assert one.heard == [(Topic.CANCEL, 'http://gpu "1"/ü'), (Topic.WORK, "")]
        assert one.heard == other.heard


async def test_a_burst_of_the_same_hint_is_few(postgres_url: str) -> None:
    async with two_processes(postgres_url) as (one, other):
        for _ in range(200):
            one.bus.send(Topic.WORK)
            one.bus.send(Topic.DUE)
            await asyncio.sleep(0)
        one.bus.send(Topic.FLEET)
        await other.until_heard(Topic.FLEET)
        assert len(one.heard) == 401
        assert 2 <= other.heard.count((Topic.WORK, "")) <= 20
        assert other.heard.count((Topic.DUE, "")) >= 1


async def test_progress_is_told_once_a_second_at_most_and_the_newest_counts(postgres_url: str) -> None:
    async with two_processes(postgres_url) as (one, other):
        for step in range(20):
            one.bus.send(Topic.PROGRESS, json.dumps({"a": step / 20, f"job {step}": 0.5}))
            await asyncio.sleep(0.01)
        one.bus.send(Topic.WORK)
        await other.until_heard(Topic.WORK)
        assert len(other.heard) == 2, "progress does not hold up the rest"
        await until(lambda: len(other.heard) == 3, 3.0)
        last = json.loads(other.heard[-1][1])
        assert last["a"] == 19 / 20
        assert last["job 10"] == 0.5


async def test_whoever_cannot_hear_looks_more_often_and_says_so_once(
    postgres_url: str, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(postgres_url, await another_database(postgres_url)) as deaf, process(postgres_url) as other:
        await other.until_it_hears()
        await asyncio.sleep(1.5)
        assert deaf.bus.poll_interval == POLL_INTERVAL_WITHOUT_NOTIFY
        deaf.bus.send(Topic.WORK)
        await other.until_heard(Topic.WORK)
        assert deaf.heard == [(Topic.WORK, "")]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "DATABASE_LISTEN_URL" in warnings[0].getMessage()


async def test_a_listener_that_is_cut_off_comes_back(postgres_url: str, hurried: None) -> None:
    async with two_processes(postgres_url) as (one, other):
        for _ in range(3):
            await one.cut_off_all_listeners()
            await one.until_it_is_deaf()
            await one.until_it_hears()
            await other.until_it_hears()
            other.bus.send(Topic.DUE)
            await one.until_heard(Topic.DUE)
            one.heard.clear()


async def test_a_line_that_carries_nothing_any_more_is_noticed_and_replaced(postgres_url: str, hurried: None) -> None:
    async with wire_to(postgres_url) as wire, process(postgres_url, wire.url) as one:
        await one.until_it_hears()
        wire.speaks.clear()
        await one.until_it_is_deaf()
        await asyncio.sleep(0.5)
        wire.speaks.set()
        await one.until_it_hears()


async def test_a_database_that_cannot_be_reached_at_the_start_is_heard_when_it_comes(
    postgres_url: str, hurried: None
) -> None:
    async with wire_to(postgres_url) as wire:
        wire.refuses = True
        async with process(postgres_url, wire.url) as one:
            await asyncio.sleep(0.3)
            assert one.bus.poll_interval == POLL_INTERVAL_WITHOUT_NOTIFY
            wire.refuses = False
            await one.until_it_hears()


async def test_a_hint_that_cannot_be_sent_is_lost_and_the_next_one_arrives(postgres_url: str) -> None:
    async with wire_to(postgres_url) as wire, process(wire.url, postgres_url) as one, process(postgres_url) as other:
        await other.until_it_hears()
        one.bus.send(Topic.CANCEL, "x" * 9_000)
        one.bus.send(Topic.CANCEL, "short")
        await other.until_heard(Topic.CANCEL, "short")
        await wire.cut()
        one.bus.send(Topic.DUE)  # the pool's connection is gone: another one is made
        await other.until_heard(Topic.DUE, seconds=5)
        assert len(other.heard) == 2


async def test_what_others_write_into_the_channel_does_no_harm(postgres_url: str) -> None:
    odd = ["", "{", "[]", "null", '"work"', "1e999", '{"topic":"work"}', '{"topic":1,"payload":"","from":"x"}']
    odd += ['{"topic":"no such","payload":"","from":"x"}', '{"topic":"work","payload":{},"from":"x"}']
    odd += ['{"topic":"test","payload":"guess","from":"x"}', "[" * 5_000]
    async with two_processes(postgres_url) as (one, other):
        for text in odd:
            quoted = text.replace("'", "''").replace(":", r"\:")
            await one.execute(f"SELECT pg_notify('comfycord', '{quoted}')")
        one.bus.send(Topic.WORK)
        await other.until_heard(Topic.WORK)
        assert other.heard == [(Topic.WORK, "")]


async def test_a_fault_of_one_who_hears_is_not_the_others(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    def stumble(_payload: str) -> None:
        raise RuntimeError("odd")

    async with two_processes(postgres_url) as (one, other):
        other.bus.subscribe(Topic.FLEET, stumble)
        other.bus.subscribe(Topic.FLEET, lambda _payload: other.heard.append((Topic.DUE, "after it")))
        one.bus.send(Topic.FLEET)
        await other.until_heard(Topic.DUE, "after it")
    assert "a listener for fleet crashed" in caplog.text


async def test_what_waits_to_be_sent_is_bounded(postgres_url: str) -> None:
    async with two_processes(postgres_url) as (one, other):
        for number in range(MAX_PENDING + 500):
            one.bus.send(Topic.CANCEL, str(number))
        await other.until_heard(Topic.CANCEL, str(MAX_PENDING + 499), 5.0)
        assert len(other.heard) == MAX_PENDING


@pytest.mark.parametrize("dsn", ["sqlite:///jobs.db", "no address", "postgresql://host"])
async def test_another_address_than_a_postgresqls_is_one_sentence(dsn: str, postgres_url: str) -> None:
    engine = PostgresEngine(sa.make_url(postgres_url))
    with pytest.raises(StartupError, match="DATABASE_LISTEN_URL"):
        PostgresBus(dsn=dsn, send_through=through(engine), clock=SystemClock())
    await engine.close()
