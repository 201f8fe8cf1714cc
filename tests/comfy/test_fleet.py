"""Several servers: what identifies them, and what stays the same over a restart."""

from random import Random

from bot.clock import SystemClock
from bot.comfy.fleet import Fleet

URLS = ("http://user:secret@one:8188/comfy/", "http://two:8188")


async def keys_and_ids(instance: str) -> tuple[list[str], list[str]]:
    fleet = Fleet.of(URLS, clock=SystemClock(), random=Random(1), instance=instance)
    try:
        return [server.key for server in fleet.servers], [server._socket.client_id for server in fleet.servers]
    finally:
        await fleet.close()


async def test_a_server_is_known_by_its_address_without_the_password() -> None:
    keys, _ids = await keys_and_ids("a")
    assert keys == ["http://one:8188/comfy", "http://two:8188/"]


async def test_an_installation_has_the_same_client_ids_after_a_restart_and_shares_none_with_another() -> None:
    first, again, other = [(await keys_and_ids(instance))[1] for instance in ("a", "a", "b")]
    assert first == again
    assert len({*first, *other}) == 4


async def test_an_installation_without_a_name_has_fresh_ones() -> None:
    assert (await keys_and_ids(""))[1] != (await keys_and_ids(""))[1]
