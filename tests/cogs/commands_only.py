"""The commands of moderators, owners and members on a simulated Discord, with a real database and no ComfyUI."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import discord

from bot.errors import InputError
from bot.i18n import _
from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.job import Job, JobState, Requester
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.policy.admission import Admission
from bot.storage.database import Database, open_database
from bot.ui.access_checks import AccessChecks
from bot.ui.account import AccountService
from bot.ui.audit_log import AuditLog
from bot.ui.client.bot import ComfycordBot
from bot.ui.locale import Languages
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.catalog import Catalog
from bot.workflow.library.library import Library
from bot.workflow.run.needs import Abilities, Needs
from cogs.me import MeCommand
from cogs.moderate import ModerateCommand
from cogs.server import ServerCommand
from tests.cogs.whole_bot import WORKFLOWS
from tests.harness import Member, Simulation, simulated
from tests.jobs.doubles import FewPlaces, place, spec

MODERATOR = discord.Permissions(manage_messages=True)
MANAGER = discord.Permissions(manage_messages=True, manage_guild=True)


class RecordingBus(LocalBus):
    """Remembers which topics were notified."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Topic] = []

    def subscribe(self, topic: Topic, callback: Callable[[str], None]) -> None:
        raise AssertionError("nobody listens here")

    def send(self, topic: Topic, payload: str = "") -> None:
        self.sent.append(topic)


class OwnedBot(ComfycordBot):
    """A bot whose owners on Discord the test chooses."""

    owners: Sequence[int] = (1,)
    """One is a person, several are a team of which the first is the owner."""
    is_known = True
    """Whether Discord says whose bot it is."""

    async def application_info(self) -> discord.AppInfo:
        """Return what Discord would say."""
        if not self.is_known:
            raise OSError("no connection")
        data: Any = await self.http.application_info()
        owned: Any = {**data, **_owned(self.owners)}
        return discord.AppInfo(self._connection, owned)


@dataclass
class Counter:
    """Where people use the commands."""

    sim: Simulation
    database: Database
    bus: RecordingBus
    bot: OwnedBot
    machines: dict[str, Abilities]
    """What answers at addresses."""

    async def recorded(self, what: str) -> bool:
        """Whether the event log has these words."""
        return await self.database.jobs.has_event_since(f"{what} (in {self.sim.guild_id})", 0.0)

    async def waiting(self, member: Member, number: int = 1) -> Job:
        """Put a job of somebody into the line."""
        entry = Job(
            id=f"job-{number}",
            spec=spec(needs=Needs(nodes=frozenset({"KSampler"}))),
            requester=_requester(member),
            place=replace(place(number), guild_id=self.sim.guild_id),
            created=self.sim.clock.now(),
            state=JobState.QUEUED,
            estimate=30.0,
        )
        await self.database.jobs.add(entry)
        return entry


@asynccontextmanager
async def opened_counter(home_guilds: Collection[int] = ()) -> AsyncGenerator[Counter]:
    """Open the counter; without `home_guilds` the one guild that there is counts as the bot's home."""
    database = await open_database("sqlite:///:memory:")
    bus = RecordingBus()
    machines: dict[str, Abilities] = {}
    bots: list[OwnedBot] = []

    def make(sim: Simulation) -> OwnedBot:
        bots.append(_bot(sim, database, bus, home_guilds, machines))
        return bots[0]

    try:
        async with simulated(make) as sim:
            yield Counter(sim, database, bus, bots[0], machines)
    finally:
        await database.close()


def _bot(
    sim: Simulation,
    database: Database,
    bus: RecordingBus,
    home_guilds: Collection[int],
    machines: dict[str, Abilities],
) -> OwnedBot:
    languages, clock, run_times = Languages(), sim.clock, RunTimeEstimates()
    policies, fleet, store = database.policies, database.fleet, database.jobs
    access, audit = AccessChecks(home_guilds=home_guilds, clock=clock), AuditLog(store=store, clock=clock)
    admission = Admission(store=store, policies=policies, expect=run_times.expect, clock=clock)
    queue_view = QueueView(
        store=store,
        run_times=run_times,
        capacity=FewPlaces(lambda: [0.0]),  # type: ignore[arg-type]
        blockers=StartBlockers(fleet=fleet, policy=policies, clock=clock),
        clock=clock,
    )
    accounts = AccountService(
        policies=policies, admission=admission, queue_view=queue_view, languages=languages, clock=clock
    )
    moderate = ModerateCommand(
        policies=policies,
        admission=admission,
        accounts=accounts,
        audit=audit,
        bus=bus,
        access=access,
        library=Library(Catalog.load(WORKFLOWS)),
        languages=languages,
        clock=clock,
    )
    server = ServerCommand(
        registry=fleet,
        store=store,
        queue_view=queue_view,
        key_of=_key_of,
        probe=_probing(machines),
        audit=audit,
        bus=bus,
        access=access,
        languages=languages,
    )

    async def set_up() -> None:
        await bot.add_cog(moderate)
        await bot.add_cog(server)
        await bot.add_cog(MeCommand(accounts=accounts))
        await bot.tree.sync()

    async def tear_down() -> None:
        pass

    bot = OwnedBot(languages=languages, on_setup=set_up, on_close=tear_down)
    return bot


def _key_of(url: str) -> str:
    if not url.startswith("http"):
        raise InputError(_("A ComfyUI server's address looks like http://127.0.0.1:8188."))
    scheme, _slashes, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _probing(machines: dict[str, Abilities]) -> Callable[[str], Awaitable[Abilities]]:
    async def probe(url: str) -> Abilities:
        if url not in machines:
            raise InputError(_("No ComfyUI answers there."))
        return machines[url]

    return probe


def abilities(vram: int = 24_000_000_000, version: str = "0.3.64") -> Abilities:
    """What a server tells about itself."""
    return Abilities(Definitions(), vram, version)


def _requester(member: Member) -> Requester:
    return Requester(user_id=member.id, name=member.name)


def _owned(owners: Sequence[int]) -> dict[str, Any]:
    """Return the part of Discord's answer that says whose an application is."""
    people = [
        {"id": str(owner), "username": f"owner {owner}", "discriminator": "0", "avatar": None} for owner in owners
    ]
    if len(owners) == 1:
        return {"owner": people[0], "team": None}
    roles = ["admin", "developer", "read_only", "admin"]
    states = [2, 2, 2, 1]  # the last one was invited and has not accepted
    members = [
        {"user": person, "membership_state": state, "permissions": ["*"], "team_id": "5", "role": role}
        for person, role, state in zip(people, roles, states, strict=False)
    ]
    team = {"id": "5", "name": "Team", "icon": None, "owner_user_id": str(owners[0]), "members": members}
    return {"owner": {**people[0], "id": "5"}, "team": team}
