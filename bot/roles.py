"""Which part of the bot's work a process does: what `run` is told by `--role`, `--shards` and `--servers`.

One process does everything unless it is told otherwise. With a PostgreSQL, gateways hear commands and workers have them
carried out, any number of each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.comfy.address import Address
from bot.errors import StartupError
from bot.i18n import _

MOST_SHARDS = 16_384
"""More than the largest bot has."""
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


class Role(StrEnum):
    """What a process does."""

    ALL = "all"
    GATEWAY = "gateway"
    """Hears commands, and tells those who wait how they stand; knows no ComfyUI."""
    WORKER = "worker"
    """Works with ComfyUI and delivers results, over Discord's REST API alone."""


@dataclass(frozen=True, slots=True)
class Shards:
    """Some of the shards into which Discord divides the servers of a bot."""

    ids: tuple[int, ...]
    count: int
    """How many there are in all."""

    def __str__(self) -> str:
        return f"{','.join(map(str, self.ids))}/{self.count}"


@dataclass(frozen=True, slots=True)
class Part:
    """A process's part."""

    role: Role = Role.ALL
    shards: Shards | None = None
    """None for all, as many as Discord recommends."""
    servers: tuple[str, ...] = ()
    """Names or keys (`Backend.key`) of the ComfyUI servers that it may work with; empty for all."""

    @property
    def has_servers(self) -> bool:
        """Whether it works with ComfyUI."""
        return self.role is not Role.GATEWAY

    @property
    def has_gateway(self) -> bool:
        """Whether it hears commands, and tells those who wait how they stand."""
        return self.role is not Role.WORKER

    @property
    def leads(self) -> bool:
        """Whether it does what one process of all does, such as registering the commands."""
        return self.has_gateway and (self.shards is None or 0 in self.shards.ids)


def part_of(
    *,
    role: str = Role.ALL,
    shards: str | None = None,
    shard_ids: str | None = None,
    shard_count: int | None = None,
    servers: str | None = None,
) -> Part:
    """Return the part that options of the command line describe. Raises `StartupError` for one that cannot be."""
    part = Part(Role(role), _shards(shards, shard_ids, shard_count), _servers(servers))
    if part.role is Role.WORKER and part.shards is not None:
        raise StartupError(_("A worker has no shards: leave them out, or use --role gateway."))
    if part.role is Role.GATEWAY and part.servers:
        raise StartupError(_("A gateway has no ComfyUI servers: leave --servers out, or use --role worker."))
    return part


def _shards(spec: str | None, ids: str | None, count: int | None) -> Shards | None:
    if spec is not None:
        if ids is not None or count is not None:
            raise StartupError(_("--shards says it all: leave out --shard-ids and --shard-count."))
        ids, _slash, total = spec.partition("/")
        return _chosen(f"--shards {spec}", ids, int(total) if _is_number(total) else 0)
    if ids is None and count is None:
        return None
    if ids is None or count is None:
        raise StartupError(_("--shard-ids and --shard-count belong together: --shard-ids 0,1 --shard-count 4."))
    return _chosen(f"--shard-ids {ids} --shard-count {count}", ids, count)


def _chosen(option: str, text: str, count: int) -> Shards:
    ids = sorted({number for part in text.split(",") for number in _numbers(part.strip())})
    if not ids or ids[0] < 0 or not ids[-1] < count <= MOST_SHARDS:
        raise StartupError(
            _(
                "{option}: these are no shards. Write 0-3/8 for the shards 0 to 3 of 8; they count from 0.",
                option=option,
            )
        )
    return Shards(tuple(ids), count)


def _numbers(text: str) -> Iterator[int]:
    """Yield the numbers of "3" or "0-3"; -1 for what is neither."""
    match = _RANGE.fullmatch(text)
    if match is None:
        yield -1
        return
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    yield from range(first, min(last, MOST_SHARDS) + 1) if first <= last else (-1,)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5


def _servers(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise StartupError(_("--servers names no server. Write --servers gpu1,gpu2, or leave it out for all."))
    return _unique([_key(name) for name in names])


def _key(name: str) -> str:
    """Return what a server is known by: its name as it is, or of its address what is no secret."""
    return str(Address.parse(name).root) if "://" in name else name


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
