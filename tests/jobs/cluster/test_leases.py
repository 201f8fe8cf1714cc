"""Leases: one instance of the bot looks after a server, and a zombie stops in time."""

import asyncio
from pathlib import Path

from bot.jobs.cluster.leases import (
    LEASE_SECONDS,
    MARGIN,
    RENEW_INTERVAL,
    LeaseManager,
)
from bot.jobs.delivery.result_files import FileResultStore
from bot.jobs.job import JobState
from bot.jobs.status import RunningStatus
from bot.workflow.run.events import PromptLocation, RunEnded, RunStarted
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import Board, ScriptedBackend
from tests.jobs.queue_setup import Staff, opened, until


async def test_a_lease_is_ours_until_it_is_not_renewed_any_more() -> None:
    clock = ManualClock()
    async with memory_store(clock.now) as store:
        leases = LeaseManager(store=store, owner="a", servers=["gpu"], clock=clock)
        assert not leases.holds("gpu")
        await leases.renew()
        assert leases.holds("gpu")
        await clock.advance(LEASE_SECONDS - MARGIN - 1)
        assert leases.holds("gpu")
        await clock.advance(1)
        assert not leases.holds("gpu"), "before the lease ends, or two would tell the same people"


async def test_the_loop_keeps_the_lease_and_wakes_who_waits_for_it() -> None:
    clock = ManualClock()
    async with memory_store(clock.now) as store:
        leases = LeaseManager(store=store, owner="a", servers=["gpu"], clock=clock)
        waiter, loop = asyncio.create_task(leases.wait_held("gpu")), asyncio.create_task(leases.run())
        await asyncio.wait_for(waiter, 5)
        for _ in range(20):
            await clock.advance(RENEW_INTERVAL)
            await asyncio.sleep(0.02)
            assert leases.holds("gpu")
        loop.cancel()


async def test_another_instance_waits_until_the_lease_has_run_out_unless_it_is_released() -> None:
    clock = ManualClock()
    async with memory_store(clock.now) as store:
        first, second = (LeaseManager(store=store, owner=owner, servers=["gpu"], clock=clock) for owner in "ab")
        await first.renew()
        await second.renew()
        assert not second.holds("gpu")
        await clock.advance(LEASE_SECONDS + 1)
        await second.renew()
        assert second.holds("gpu")
        await first.renew()
        assert not first.holds("gpu")
        await second.release()
        assert not second.holds("gpu")
        await first.renew()
        assert first.holds("gpu")


async def test_a_restarted_instance_has_its_lease_back_at_once() -> None:
    clock = ManualClock()
    async with memory_store(clock.now) as store:
        await LeaseManager(store=store, owner="a", servers=["gpu"], clock=clock).renew()
        again = LeaseManager(store=store, owner="a", servers=["gpu"], clock=clock)
        await again.renew()
        assert again.holds("gpu")


async def test_who_loses_its_lease_stops_and_the_next_one_goes_on_with_the_same_prompt(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=PromptLocation.RUNNING)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await until(lambda: any(isinstance(update, RunningStatus) for _, update in shop.board.updates))
        assert shop.staff.leases.holds(backend.key)
        await shop.clock.advance(LEASE_SECONDS + 1)  # the database was out of reach for that long
        other_board = Board()
        other = Staff(
            backend,
            shop.store,
            FileResultStore(tmp_path / "b", durable=False),
            other_board,
            shop.clock,
            owner="other-bot",
        )
        await other.leases.renew()
        if not other.leases.holds(backend.key):  # the first one was quicker, and has it again
            await shop.store.release_leases("this-bot")
            await other.leases.renew()
        other.begin()
        await until(lambda: backend.watched.count(backend.submitted[0][0]) >= 2)
        await shop.passes(12.0)
        backend.end.set()
        assert await shop.ended(job) is JobState.DONE
        await other.stop()
    assert len(backend.submitted) == 1
    assert set(shop.board.delivered) | set(other_board.delivered) == {job.id}
    assert not set(shop.board.delivered) & set(other_board.delivered)
