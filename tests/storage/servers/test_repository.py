"""Servers, verdicts and processes, as they are kept: on both engines."""

import asyncio
import zlib
from collections.abc import Mapping

import pytest

from bot.jobs.server_registry import Compatibility, ServerRecord
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.servers import repository
from bot.storage.servers.repository import SqlServerRegistry
from bot.workflow.graph.definitions import Definitions
from bot.workflow.run.needs import (
    Abilities,
    MissingKind,
    MissingResource,
    Needs,
)
from tests.databases import fleet_of
from tests.storage.engines import Database, execute
from tests.storage.samples import GPU, ME, TTL

A, B, C = "http://a:8188", "http://b:8188", "http://c:8188"
SECRET = "http://ann:hunter2@b:8188"
NODES = {"KSampler": {"input": {"required": {"steps": ["INT", {"min": 1, "max": 100}]}}}}
ABLE = Abilities(Definitions.parse(NODES), vram=12_000_000_000, version="0.3.64")
ABLER = Abilities(Definitions.parse({**NODES, "SaveImage": {"output_node": True}}), vram=12_000_000_000)
NEEDS = Needs(nodes=frozenset({"KSampler"}), models=("sd.safetensors",))
NO = Compatibility(
    is_compatible=False,
    missing=(
        MissingResource(MissingKind.NODE, "Nix\N{SNOWMAN}"),
        MissingResource(MissingKind.MEMORY, needed=2, there=1),
    ),
)
YES = Compatibility(is_compatible=True)


@pytest.fixture
def fleet(store: SqlJobRepository) -> SqlServerRegistry:
    return fleet_of(store)


async def names(fleet: SqlServerRegistry) -> Mapping[str, str]:
    return {server.key: server.name for server in await fleet.servers()}


async def known_class(store: SqlJobRepository, *classes: str, needs: Needs = NEEDS) -> None:
    for at, cls in enumerate(classes):
        row = {"cls": cls, "needs": needs.to_json(), "at": float(at)}
        await execute(store, "INSERT INTO job_class (cls, needs, used_at) VALUES (:cls, :needs, :at)", **row)


# ------------------------------------------------------------------ which there are


async def test_servers_of_the_settings_are_there_in_their_order_with_names(fleet: SqlServerRegistry) -> None:
    await fleet.register({B: SECRET, A: A})
    assert await fleet.servers() == [
        ServerRecord(key=B, url=SECRET, name="gpu1"),
        ServerRecord(key=A, url=A, name="gpu2"),
    ]
    assert "hunter2" not in repr(await fleet.servers())


async def test_servers_that_left_the_settings_rest_and_come_back_under_their_names(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A, B: B})
    await fleet.register({B: SECRET})
    assert [(server.key, server.url, server.name) for server in await fleet.servers()] == [(B, SECRET, "gpu2")]
    await fleet.register({B: B, A: A, C: C})
    assert await names(fleet) == {A: "gpu1", B: "gpu2", C: "gpu3"}


async def test_a_process_among_others_says_nothing_about_their_servers(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A}, all_there_are=False)
    await fleet.register({B: B}, all_there_are=False)
    assert set(await names(fleet)) == {A, B}


async def test_registering_again_changes_nothing(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A, B: B})
    await fleet.drain(A, drained=True)
    before = await fleet.servers()
    await fleet.register({B: B, A: A})
    assert await fleet.servers() == before


async def test_a_server_that_was_added_stays_when_the_settings_do_not_name_it(fleet: SqlServerRegistry) -> None:
    added = await fleet.add(B, B, "big", 7)
    assert (added.name, added.source, added.added_by, added.enabled) == ("big", "command", 7, True)
    await fleet.register({A: A})
    assert await names(fleet) == {B: "big", A: "gpu1"}
    assert await fleet.remove(B)
    assert not await fleet.remove(B)
    assert await names(fleet) == {A: "gpu1"}
    await fleet.register({A: A, B: B})
    assert [(server.source, server.name) for server in await fleet.servers()] == [
        ("command", "big"),
        ("settings", "gpu1"),
    ]


@pytest.mark.parametrize("wanted", ["", "GPU1", "   ", "gpu1"])
async def test_a_name_that_is_empty_or_taken_becomes_the_next_free_one(fleet: SqlServerRegistry, wanted: str) -> None:
    await fleet.register({A: A})
    assert (await fleet.add(B, B, wanted, 7)).name == "gpu2"


async def test_a_name_that_nobody_has_any_more_is_free(fleet: SqlServerRegistry) -> None:
    await fleet.add(A, A, "big", 7)
    await fleet.remove(A)
    assert (await fleet.add(B, B, "big", 7)).name == "big"
    assert (await fleet.add(A, A, "", 8)).name == "gpu1"


async def test_hostile_names_are_kept_as_far_as_they_can_be(fleet: SqlServerRegistry) -> None:
    added = await fleet.add(A, A, "x\0y\ud800" + "z" * 100, 7)
    assert (await fleet.servers())[0] == added
    assert added.name.startswith("xy?zz")
    assert len(added.name) == 32


async def test_a_drained_server_is_told_so_until_it_is_added_anew(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A})
    assert await fleet.drain(A, drained=True)
    assert (await fleet.servers())[0].drained
    assert (await fleet.add(A, A, "", 7)).drained
    await fleet.remove(A)
    assert not await fleet.drain(A, drained=False)
    assert not (await fleet.add(A, A, "", 7)).drained


async def test_a_lease_makes_no_server_but_names_the_owner_of_one(
    store: SqlJobRepository, fleet: SqlServerRegistry
) -> None:
    await store.acquire_leases([GPU, "@line"], ME, TTL)
    assert await fleet.servers() == []
    assert not await fleet.remove("@line")
    assert not await fleet.drain(GPU, drained=True)
    await fleet.register({GPU: GPU})
    assert [(server.key, server.owner, server.name) for server in await fleet.servers()] == [(GPU, ME, "gpu1")]
    await fleet.report(GPU, "offline")
    assert (await fleet.servers())[0].health == "offline"


async def test_nobody_owns_a_server_whose_lease_has_run_out(store: SqlJobRepository, fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A})
    await store.acquire_leases([A], ME, -1.0)
    assert (await fleet.servers())[0].owner == ""


async def test_those_who_add_servers_at_the_same_time_get_different_names(database: Database) -> None:
    fleets = [fleet_of(await database.open()) for _turn in range(4)]
    keys = [f"http://{number}:8188" for number in range(8)]
    await asyncio.gather(*(fleets[at % 4].add(key, key, "", 7) for at, key in enumerate(keys)))
    assert sorted((await names(fleets[0])).values()) == [f"gpu{number}" for number in range(1, 9)]


# ------------------------------------------------------------------ what they can do


async def test_what_a_server_can_do_is_read_back(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A, B: B})
    assert await fleet.definitions() == {}
    await fleet.describe(A, ABLE)
    assert repository.unpack(repository.pack(ABLE)) == ABLE
    assert await fleet.definitions() == {A: (ABLE.fingerprint, ABLE.definitions)}
    server = (await fleet.servers())[0]
    assert (server.vram, server.version, server.fingerprint) == (ABLE.vram, "0.3.64", ABLE.fingerprint)
    await fleet.describe(A, ABLER)
    assert (await fleet.definitions())[A] == (ABLER.fingerprint, ABLER.definitions)
    await fleet.remove(A)
    assert await fleet.definitions() == {}


async def test_definitions_are_unpacked_once(fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A})
    await fleet.describe(A, ABLE)
    first, second = (await fleet.definitions())[A], (await fleet.definitions())[A]
    assert first[1] is second[1]


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no zlib", repository.pack(ABLE)[:-3], zlib.compress(b" " * 70 * 1024 * 1024), zlib.compress(b"\xff")],
    ids=["empty", "other", "short", "bomb", "binary"],
)
async def test_a_damaged_description_costs_its_server_only(
    store: SqlJobRepository, fleet: SqlServerRegistry, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await fleet.register({A: A, B: B})
    await fleet.describe(A, ABLE)
    await fleet.describe(B, ABLE)
    await execute(store, "UPDATE server SET definitions = :data WHERE server_id = :key", data=damaged, key=A)
    for _turn in range(2):
        assert list(await fleet.definitions()) == [B]
    assert len(caplog.records) == 1
    await fleet.describe(A, ABLE)
    assert (await fleet_of(store).definitions())[A] == (ABLE.fingerprint, ABLE.definitions)


# ------------------------------------------------------------------ verdicts


async def test_a_class_is_judged_once_for_each_server(store: SqlJobRepository, fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A, B: B})
    await fleet.describe(A, ABLE)
    await fleet.describe(B, ABLE)
    await known_class(store, "c1", "c2")
    assert list((await fleet.unchecked_classes(A)).items()) == [("c2", NEEDS), ("c1", NEEDS)]
    assert list(await fleet.unchecked_classes(A, limit=1)) == ["c2"]
    await fleet.record_compatibility(A, {"c1": YES, "c2": NO}, ABLE.fingerprint)
    assert await fleet.unchecked_classes(A) == {}
    assert set(await fleet.unchecked_classes(B)) == {"c1", "c2"}
    assert await fleet.compatibility("c2") == {A: NO}
    await fleet.record_compatibility(A, {"c2": YES}, ABLE.fingerprint)
    await fleet.record_compatibility(B, {"c2": NO}, ABLE.fingerprint)
    assert await fleet.compatibility("c2") == {A: YES, B: NO}
    await fleet.remove(A)
    assert await fleet.compatibility("c2") == {B: NO}


async def test_verdicts_go_when_a_server_can_do_something_else(
    store: SqlJobRepository, fleet: SqlServerRegistry
) -> None:
    await fleet.register({A: A, B: B})
    await known_class(store, "c1")
    for key in (A, B):
        await fleet.describe(key, ABLE)
        await fleet.record_compatibility(key, {"c1": NO}, ABLE.fingerprint)
    await fleet.describe(A, ABLE)
    assert set(await fleet.compatibility("c1")) == {A, B}
    await fleet.describe(A, ABLER)
    assert set(await fleet.compatibility("c1")) == {B}
    assert set(await fleet.unchecked_classes(A)) == {"c1"}


async def test_a_verdict_about_what_a_server_was_is_thrown_away(
    store: SqlJobRepository, fleet: SqlServerRegistry
) -> None:
    await fleet.register({A: A})
    await known_class(store, "c1")
    await fleet.describe(A, ABLER)
    await fleet.record_compatibility(A, {"c1": NO}, ABLE.fingerprint)
    assert set(await fleet.unchecked_classes(A)) == {"c1"}


async def test_old_classes_are_forgotten_with_their_verdicts(store: SqlJobRepository, fleet: SqlServerRegistry) -> None:
    await fleet.register({A: A})
    await fleet.describe(A, ABLE)
    await known_class(store, "old", "new")
    await fleet.record_compatibility(A, {"old": YES, "new": YES}, ABLE.fingerprint)
    await store.prune(30 * 86_400.0 + 0.5, limit=10)
    assert await fleet.compatibility("old") == {}
    assert await fleet.compatibility("new") == {A: YES}
    assert await execute(store, "SELECT cls FROM job_class") == [{"cls": "new"}]


# ------------------------------------------------------------------ processes


async def test_living_processes_are_counted_by_role(fleet: SqlServerRegistry) -> None:
    assert await fleet.heartbeat("w1", "worker", 30.0) == {"worker": 1}
    assert await fleet.heartbeat("w2", "worker", 30.0) == {"worker": 2}
    assert await fleet.heartbeat("g1", "gateway", 30.0) == {"worker": 2, "gateway": 1}
    assert await fleet.heartbeat("w2", "worker", -1.0) == {"worker": 1, "gateway": 1}
    await fleet.deregister("w1")
    assert await fleet.heartbeat("g1", "gateway", 30.0) == {"gateway": 1}


async def test_processes_that_ended_without_a_word_are_forgotten_in_time(
    store: SqlJobRepository, fleet: SqlServerRegistry
) -> None:
    await fleet.heartbeat("w1", "worker", -3599.0)
    await fleet.heartbeat("w2", "worker", -3700.0)
    await fleet.heartbeat("w3", "worker", 30.0)
    owners = await execute(store, "SELECT owner FROM process ORDER BY owner")
    assert [row["owner"] for row in owners] == ["w1", "w3"]


async def test_a_database_has_one_id_whoever_asks_first(database: Database) -> None:
    fleets = [fleet_of(await database.open()) for _turn in range(4)]
    ids = await asyncio.gather(*(fleet.database_id() for fleet in fleets))
    assert len(set(ids)) == 1
    assert await fleet_of(await database.open()).database_id() == ids[0]
