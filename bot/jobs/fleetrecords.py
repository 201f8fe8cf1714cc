"""What is known about the servers, as a Protocol: which there are, what they can do, who works with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bot.workflow.definitions import Definitions
from bot.workflow.needs import Abilities, Lack, Needs


class ServerHealth(StrEnum):
    """How a server was when the process that leases it last reported."""

    ONLINE = "online"
    OFFLINE = "offline"
    RESTING = "resting"
    """Its circuit breaker is open."""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One server, as it is written down."""

    key: str
    """Its address without a password: `Backend.key`."""
    url: str = field(repr=False)
    """Its address, maybe with a password."""
    name: str
    """What people call it, such as "gpu1"."""
    source: str = "settings"
    """"settings", or "command"."""
    added_by: int = 0
    enabled: bool = True
    drained: bool = False
    """Whether it gets nothing more; what it has is finished."""
    owner: str = ""
    """The process that holds it now, by the database's clock; empty for nobody, also when its lease has run out."""
    version: str = ""
    """ComfyUI's."""
    vram: int = 0
    """Bytes."""
    fingerprint: str = ""
    """Of what it can do, as it was last written down; empty before that."""
    health: str = ""
    """A `ServerHealth`, as its holder last wrote it down; empty before that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a server can run a class of jobs."""

    fits: bool
    lacks: tuple[Lack, ...] = ()


class FleetRecords(Protocol):
    """Servers, and processes that work with them. Any method may raise `StoreDownError`."""

    async def servers(self) -> Sequence[ServerRecord]:
        """Return the servers that are enabled, in the order in which they came."""
        ...

    async def register(self, urls: Mapping[str, str], *, all_there_are: bool = True) -> None:
        """Keep the servers of the settings, key → address; those of earlier settings are disabled.

        Unless these are not `all_there_are`: other processes have settings of their own.

        One that was added by a command stays so, and is enabled again if it was removed.
        """
        ...

    async def add(self, key: str, url: str, name: str, by: int) -> ServerRecord:
        """Keep a server that somebody added. An empty name, or one that is taken, becomes the next free "gpuN"."""
        ...

    async def remove(self, key: str) -> bool:
        """Disable a server; its holder lets it finish. Returns whether it was enabled."""
        ...

    async def drain(self, key: str, *, drained: bool) -> bool:
        """Let a server get nothing more, or something again; returns whether there is such a server."""
        ...

    async def describe(self, key: str, abilities: Abilities) -> None:
        """Write down what a server can do. If that has changed, all verdicts about it are forgotten."""
        ...

    async def report(self, key: str, health: str) -> None:
        """Write down how a server is."""
        ...

    async def definitions(self) -> Mapping[str, tuple[str, Definitions]]:
        """Return of each enabled server that was described: key → fingerprint and definitions."""
        ...

    async def abilities(self, key: str) -> Abilities | None:
        """Return what a server can do, as it was last written down."""
        ...

    async def unjudged(self, key: str, limit: int = 200) -> Mapping[str, Needs]:
        """Return classes of jobs of which nobody has said yet whether this server can run them."""
        ...

    async def judge(self, key: str, verdicts: Mapping[str, Verdict], fingerprint: str) -> None:
        """Write verdicts about a server down; they are thrown away if it is not described by `fingerprint` any more."""
        ...

    async def verdicts(self, cls: str) -> Mapping[str, Verdict]:
        """Return the verdicts about a class, by the keys of enabled servers."""
        ...

    async def appear(self, owner: str, role: str, ttl: float) -> Mapping[str, int]:
        """Say that a process lives for another `ttl` seconds; return how many of each role do, itself included."""
        ...

    async def vanish(self, owner: str) -> None:
        """Say that a process has ended."""
        ...

    async def installation(self) -> str:
        """Return the id of this database, made at the first call: the same for all processes, for ever."""
        ...
