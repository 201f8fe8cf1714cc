"""The role of a process, from the options `--role`, `--shards` and `--servers` of `run`.

By default one process does everything. With PostgreSQL, any number of gateways handle Discord, and any number of
workers run jobs on ComfyUI.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.comfy.url import ServerUrl
from bot.errors import StartupError
from bot.i18n import _

MOST_SHARDS = 16_384
"""More than the largest bot has."""
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


class ProcessRole(StrEnum):
    ALL = "all"
    GATEWAY = "gateway"
    """Handles commands and updates queue positions; does not connect to ComfyUI."""
    WORKER = "worker"
    """Runs jobs on ComfyUI and delivers results, using only Discord's REST API."""


@dataclass(frozen=True, slots=True)
class Shards:
    """A subset of the bot's Discord shards."""

    ids: tuple[int, ...]
    count: int
    """Total number of shards."""

    def __str__(self) -> str:
        return f"{','.join(map(str, self.ids))}/{self.count}"


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    role: ProcessRole = ProcessRole.ALL
    shards: Shards | None = None
    """None: all of them, as many as Discord recommends."""
    servers: tuple[str, ...] = ()
    """Names or keys (`Backend.key`) of the ComfyUI servers it may use; empty for all."""

    @property
    def has_servers(self) -> bool:
        return self.role is not ProcessRole.GATEWAY

    @property
    def has_gateway(self) -> bool:
        return self.role is not ProcessRole.WORKER

    @property
    def is_leader(self) -> bool:
        """Whether it does what only one process may do, such as registering the commands."""
        return self.has_gateway and (self.shards is None or 0 in self.shards.ids)


def process_config(
    *,
    role: str = ProcessRole.ALL,
    shards: str | None = None,
    shard_ids: str | None = None,
    shard_count: int | None = None,
    servers: str | None = None,
) -> ProcessConfig:
    """Parse the command line options. Raises `StartupError` if they are invalid."""
    part = ProcessConfig(ProcessRole(role), _shards(shards, shard_ids, shard_count), _servers(servers))
    if part.role is ProcessRole.WORKER and part.shards is not None:
        raise StartupError(_("--role worker can't be combined with shards. Leave them out, or use --role gateway."))
    if part.role is ProcessRole.GATEWAY and part.servers:
        raise StartupError(_("--role gateway can't be combined with --servers. Leave it out, or use --role worker."))
    return part


def _shards(spec: str | None, ids: str | None, count: int | None) -> Shards | None:
    if spec is not None:
        if ids is not None or count is not None:
            raise StartupError(_("--shards can't be combined with --shard-ids or --shard-count. Leave those out."))
        ids, _slash, total = spec.partition("/")
        return _chosen(f"--shards {spec}", ids, int(total) if _is_number(total) else 0)
    if ids is None and count is None:
        return None
    if ids is None or count is None:
        raise StartupError(
            _("--shard-ids and --shard-count must be used together, e.g. --shard-ids 0,1 --shard-count 4.")
        )
    return _chosen(f"--shard-ids {ids} --shard-count {count}", ids, count)


def _chosen(option: str, text: str, count: int) -> Shards:
    ids = sorted({number for part in text.split(",") for number in _numbers(part.strip())})
    if not ids or ids[0] < 0 or not ids[-1] < count <= MOST_SHARDS:
        raise StartupError(
            _("{option} is not a valid set of shards. Write 0-3/8 for shards 0 to 3 of 8.", option=option)
        )
    return Shards(tuple(ids), count)


def _numbers(text: str) -> Iterator[int]:
    """Yield the numbers of "3" or "0-3"; -1 for anything else."""
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
        raise StartupError(_("--servers is empty. Write --servers gpu1,gpu2, or leave it out to use all."))
    return _unique([_key(name) for name in names])


def _key(name: str) -> str:
    """Return a server's name unchanged, or its URL without credentials."""
    return str(ServerUrl.parse(name).root) if "://" in name else name


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
