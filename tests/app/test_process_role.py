"""Which part of the work a process does, by its command line."""

import pytest

from bot.app.process_role import (
    ProcessConfig,
    ProcessRole,
    Shards,
    process_config,
)
from bot.errors import StartupError


def test_without_options_a_process_does_everything() -> None:
    assert process_config() == ProcessConfig(ProcessRole.ALL, None, ())
    assert (ProcessConfig().has_servers, ProcessConfig().has_gateway, ProcessConfig().is_leader) == (True, True, True)


@pytest.mark.parametrize(
    ("spec", "ids", "count"),
    [
        ("0-3/8", (0, 1, 2, 3), 8),
        ("0,2/4", (0, 2), 4),
        ("1/2", (1,), 2),
        ("0/1", (0,), 1),
        ("6-7, 0-1,1/8", (0, 1, 6, 7), 8),
    ],
)
def test_shards_are_chosen_by_number_and_range(spec: str, ids: tuple[int, ...], count: int) -> None:
    part = process_config(role="gateway", shards=spec)
    assert part.shards == Shards(ids, count)
    assert process_config(shard_ids=spec.partition("/")[0], shard_count=count).shards == Shards(ids, count)
    assert part.is_leader == (0 in ids)


@pytest.mark.parametrize(
    "spec",
    ["", "/", "1", "1/", "/2", "2/2", "0-4/4", "3-1/4", "a/2", "0/b", "-1/2", "0,/2", "0/0", "0/99999", "1.5/2", "٠/1"],
)
def test_shards_that_cannot_be_are_one_sentence(spec: str) -> None:
    with pytest.raises(StartupError, match="is not a valid set of shards") as error:
        process_config(role="gateway", shards=spec)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shards": "0/2", "shard_count": 2}, "can't be combined with --shard-ids"),
        ({"shard_ids": "0"}, "must be used together"),
        ({"shard_count": 2}, "must be used together"),
        ({"shard_ids": "0,1", "shard_count": 1}, "is not a valid set of shards"),
        ({"role": "worker", "shards": "0/2"}, "worker can't be combined with shards"),
        ({"role": "gateway", "servers": "gpu1"}, "gateway can't be combined with --servers"),
        ({"role": "worker", "servers": " , "}, "--servers is empty"),
        ({"role": "worker", "servers": "ftp://gpu"}, "looks like http://"),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(options: dict[str, object], words: str) -> None:
    with pytest.raises(StartupError, match=words):
        process_config(**options)  # type: ignore[arg-type]  # the values are right, one by one


def test_servers_are_named_or_known_by_their_address_without_its_password() -> None:
    part = process_config(role="worker", servers="gpu1, http://ann:secret@10.0.0.2:8188/,http://10.0.0.2:8188,gpu1")
    assert part.servers == ("gpu1", "http://10.0.0.2:8188/")
    assert "secret" not in repr(part)
    assert (part.has_servers, part.has_gateway, part.is_leader) == (True, False, False)


def test_a_gateway_knows_no_comfyui() -> None:
    part = process_config(role="gateway")
    assert (part.has_servers, part.has_gateway, part.is_leader) == (False, True, True)
