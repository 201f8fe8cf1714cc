"""How several processes share the servers, on both engines: each its part, and nothing is left behind."""

from collections.abc import Callable, Collection

import pytest

from bot.jobs.cluster.leases import (
    FREE_POLL_INTERVAL,
    LEASE_SECONDS,
    MARGIN,
    LeaseManager,
)
from bot.storage.jobs.repository import SqlJobRepository
from tests.clocks import ManualClock
from tests.databases import fleet_of
from tests.storage.engines import Database, execute

LINE = "@line"


class House:
    """Some processes on one database, whose time a test moves."""

    def __init__(self, database: Database, store: SqlJobRepository, clock: ManualClock) -> None:
        self.clock, self.store, self._is_postgres = clock, store, database.is_postgres
        self.records = fleet_of(store)
        self.servers: list[str] = []
        self.living: list[LeaseManager] = []
        self.seconds = 0.0

    async def register(self, number: int) -> None:
        self.servers = [f"http://gpu{index}" for index in range(number)]
        await self.records.register({key: key for key in self.servers})
        for process in self.living:
            process.set_servers(self.servers)

    def starts(
        self,
        owner: str,
        only: Collection[str] | None = None,
        role: str = "worker",
        busyness: Callable[[str], float] = lambda _key: 0.0,
    ) -> LeaseManager:
        process = LeaseManager(
            store=self.store,
            owner=owner,
            servers=[*(self.servers if only is None else only)],
            clock=self.clock,
            fleet=self.records,
            role=role,
            singleton_keys=(LINE,) if role != "worker" else (),
            busyness=busyness,
        )
        self.living.append(process)
        return process

    def dies(self, process: LeaseManager) -> None:
        self.living.remove(process)

    async def passes(self, seconds: float) -> None:
        """Let time pass; nobody but one may use a server at any moment."""
        for _ in range(round(seconds / FREE_POLL_INTERVAL)):
            await self.clock.advance(FREE_POLL_INTERVAL)
            if self._is_postgres:  # whose time is its own
                await execute(self.store, "UPDATE server SET lease_until = lease_until - :s", s=FREE_POLL_INTERVAL)
                await execute(self.store, "UPDATE process SET seen_until = seen_until - :s", s=FREE_POLL_INTERVAL)
            for process in self.living:
                await process.renew()
            for key in (*self.servers, LINE):
                assert sum(process.holds(key) for process in self.living) <= 1

    async def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Return after how many seconds it holds."""
        for passed in range(0, round(seconds) + 1, round(FREE_POLL_INTERVAL)):
            if condition():
                return float(passed)
            await self.passes(FREE_POLL_INTERVAL)
        raise AssertionError(f"not within {seconds} s: {self.shares}")

    @property
    def shares(self) -> list[int]:
        return [len(self.of(process)) for process in self.living]

    def of(self, process: LeaseManager) -> set[str]:
        return {key for key in self.servers if process.holds(key)}

    @property
    def all_are_held(self) -> bool:
        return sum(self.shares) == len(self.servers)


@pytest.fixture
async def house(database: Database) -> House:
    clock = ManualClock()
    return House(database, await database.open(clock=clock.now), clock)


async def test_one_alone_takes_all_at_once(house: House) -> None:
    await house.register(5)
    house.starts("a")
    await house.living[0].renew()
    assert house.shares == [5]
    await house.passes(60)
    assert house.shares == [5]


async def test_two_that_start_together_share_at_once(house: House) -> None:
    await house.register(7)
    for owner in "ab":
        house.starts(owner)
        await house.records.heartbeat(owner, "worker", 15.0)
    await house.passes(4)
    assert sorted(house.shares) == [3, 4]


@pytest.mark.parametrize(("servers", "workers"), [(8, 3), (4, 3), (1, 2)])
async def test_those_who_come_later_get_their_share_and_then_nothing_moves(
    house: House, servers: int, workers: int
) -> None:
    await house.register(servers)
    house.starts("first")
    await house.passes(4)
    for number in range(1, workers):
        house.starts(f"later {number}")
    await house.until(lambda: house.all_are_held and max(house.shares) - min(house.shares) <= 1, 100)
    settled = [house.of(process) for process in house.living]
    await house.passes(60)
    assert [house.of(process) for process in house.living] == settled


async def test_a_server_that_is_left_to_another_is_used_by_nobody_until_the_last_edit_is_over(house: House) -> None:
    await house.register(2)
    first = house.starts("first")
    await house.passes(4)
    second = house.starts("second")
    await house.until(lambda: len(house.of(first)) == 1, 10)
    without = await house.until(lambda: bool(house.of(second)), 30)
    assert MARGIN <= without <= MARGIN + 3 * FREE_POLL_INTERVAL


async def test_the_idle_ones_are_left(house: House) -> None:
    await house.register(4)
    busy = {"http://gpu0", "http://gpu2"}
    first = house.starts("first", busyness=lambda key: float(key in busy))
    await house.passes(4)
    house.starts("second")
    await house.until(lambda: house.all_are_held and house.shares == [2, 2], 60)
    assert house.of(first) == busy


async def test_servers_of_one_that_dies_are_the_others_within_thirty_seconds(house: House) -> None:
    await house.register(6)
    processes = [house.starts(owner) for owner in "abc"]
    await house.until(lambda: house.all_are_held and house.shares == [2, 2, 2], 60)
    house.dies(processes[1])
    assert await house.until(lambda: house.all_are_held, 30) <= 30
    assert house.shares == [3, 3]


async def test_servers_of_one_that_ends_in_order_are_the_others_at_once(house: House) -> None:
    await house.register(6)
    processes = [house.starts(owner) for owner in "ab"]
    await house.until(lambda: house.all_are_held and house.shares == [3, 3], 60)
    await processes[0].release()
    house.dies(processes[0])
    await house.until(lambda: house.all_are_held, 12)


async def test_one_that_is_restarted_has_its_servers_back_before_its_leases_end(house: House) -> None:
    await house.register(4)
    first, second = house.starts("a"), house.starts("b")
    await house.until(lambda: house.all_are_held and house.shares == [2, 2], 60)
    before = house.of(first)
    house.dies(first)
    again = house.starts("a")
    await again.renew()
    assert house.of(again) == before
    assert len(house.of(second)) == 2


async def test_what_only_one_may_use_is_used_whatever_the_shares_are(house: House) -> None:
    await house.register(4)
    restricted = house.starts("few", only=house.servers[:1])
    free = house.starts("rest", only=house.servers[1:])
    await house.until(lambda: house.all_are_held, 40)
    assert (len(house.of(restricted)), len(house.of(free))) == (1, 3)
    await house.passes(120)
    assert house.shares == [1, 3], "it is not offered to one who cannot have it again and again"


async def test_a_worker_in_the_role_of_all_has_its_share_and_a_gateway_none(house: House) -> None:
    await house.register(4)
    house.starts("a", role="worker")
    house.starts("b", role="all")
    house.starts("g", role="gateway", only=())
    await house.until(lambda: house.all_are_held and house.shares == [2, 2, 0], 60)
    assert house.living[0].processes == 3


async def test_the_line_is_one_processs_and_goes_on_when_that_dies(house: House) -> None:
    gateways = [house.starts(owner, role="gateway", only=()) for owner in "gh"]
    await house.passes(30)
    assert [gateway.holds(LINE) for gateway in gateways] == [True, False]
    house.dies(gateways[0])
    await house.until(lambda: gateways[1].holds(LINE), LEASE_SECONDS + 3 * FREE_POLL_INTERVAL)


async def test_servers_come_and_go_while_they_run(house: House) -> None:
    await house.register(2)
    process = house.starts("a")
    await house.passes(4)
    await house.register(4)
    await house.passes(4)
    assert house.shares == [4]
    removed = house.servers.pop()
    process.set_servers(house.servers)
    await house.passes(4)
    assert not process.holds(removed)
    await house.passes(MARGIN + 2 * FREE_POLL_INTERVAL)
    [row] = await execute(house.store, "SELECT owner FROM server WHERE server_id = :key", key=removed)
    assert row["owner"] == ""


async def test_the_others_are_counted_until_they_were_silent_for_a_while(house: House) -> None:
    first, second = house.starts("a"), house.starts("b")
    await house.passes(10)
    assert first.processes == 2
    house.dies(second)
    await house.passes(8)
    assert first.processes == 2
    await house.passes(16)
    assert first.processes == 1
