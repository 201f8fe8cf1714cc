"""The registry of ComfyUI servers, as a Protocol: their state, capabilities and lease holders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bot.workflow.graph.definitions import Definitions
from bot.workflow.run.needs import Abilities, MissingResource, Needs


class ServerHealth(StrEnum):
    """How a server was when the process that leases it last reported."""

    ONLINE = "online"
    OFFLINE = "offline"
    RESTING = "resting"
    """Its circuit breaker is open."""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One registered server."""

    key: str
    """Its URL without credentials: `Backend.key`."""
    url: str = field(repr=False)
    """Its URL, possibly with credentials."""
    name: str
    """Its display name, such as "gpu1"."""
    source: str = "settings"
    """"settings" or "command"."""
    added_by: int = 0
    enabled: bool = True
    drained: bool = False
    """Whether it gets no new jobs; current ones are finished."""
    owner: str = ""
    """The process that holds its lease; empty when nobody does or the lease has expired (by the database's clock)."""
    version: str = ""
    """ComfyUI's."""
    vram: int = 0
    """Bytes."""
    fingerprint: str = ""
    """Of its recorded capabilities; empty before they are known."""
    health: str = ""
    """"online", "offline" or "resting", as last reported by its lease holder; empty before that."""


@dataclass(frozen=True, slots=True)
class Compatibility:
    """Whether a server can run a class of jobs."""

    is_compatible: bool
    missing: tuple[MissingResource, ...] = ()


class ServerRegistry(Protocol):
    """Servers and the processes that use them. Any method may raise `DatabaseUnavailableError`."""

    async def servers(self) -> Sequence[ServerRecord]:
        """Return the enabled servers in the order in which they were added."""
        ...

    async def register(self, urls: Mapping[str, str], *, all_there_are: bool = True) -> None:
        """Register the servers of the settings, key → URL, and disable those of earlier settings.

        Nothing is disabled unless these are `all_there_are`: other processes may have other settings. A server added by
        command keeps that source, and is enabled again if it had been removed.
        """
        ...

    async def add(self, key: str, url: str, name: str, by: int) -> ServerRecord:
        """Add a server by command. An empty or taken name becomes the next free "gpuN"."""
        ...

    async def remove(self, key: str) -> bool:
        """Disable a server; its lease holder lets it finish. Returns whether it was enabled."""
        ...

    async def drain(self, key: str, *, drained: bool) -> bool:
        """Stop or resume giving jobs to a server; returns whether it exists."""
        ...

    async def describe(self, key: str, abilities: Abilities) -> None:
        """Record a server's capabilities. If they changed, its compatibility verdicts are deleted."""
        ...

    async def report(self, key: str, health: str) -> None:
        """Record a server's health."""
        ...

    async def definitions(self) -> Mapping[str, tuple[str, Definitions]]:
        """Return fingerprint and node definitions of each enabled server with recorded capabilities, by key."""
        ...

    async def unchecked_classes(self, key: str, limit: int = 200) -> Mapping[str, Needs]:
        """Return job classes without a verdict for this server."""
        ...

    async def record_compatibility(self, key: str, verdicts: Mapping[str, Compatibility], fingerprint: str) -> None:
        """Record verdicts about a server; they are dropped if its fingerprint has changed."""
        ...

    async def compatibility(self, cls: str) -> Mapping[str, Compatibility]:
        """Return the verdicts about a class by the keys of enabled servers."""
        ...

    async def heartbeat(self, owner: str, role: str, ttl: float) -> Mapping[str, int]:
        """Heartbeat: this process lives for another `ttl` seconds. Returns the number of live processes per role."""
        ...

    async def deregister(self, owner: str) -> None:
        """Deregister a process that ends."""
        ...

    async def database_id(self) -> str:
        """Return the permanent id of this database, created at the first call."""
        ...
