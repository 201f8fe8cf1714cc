"""The one module through which tests use the simulated Discord; no test imports simcord itself.

    def make(sim: Simulation) -> ComfycordBot:
        return App(settings, catalog, clock=sim.clock, keep_alive=False).bot

    async with simulated(make) as sim:
        ann, art = sim.member("ann"), sim.channel("art")
        reply = await ann.slash(art, "imagine", prompt="a lighthouse")
        await sim.until(lambda: Tone.DONE.value in reply.message.accents)
        assert "lighthouse" in reply.text
        assert (await reply.message.read()).startswith(PNG)

What to know about it (the traps themselves are dealt with in `bot.sandbox.demo.seams`):
- Time passes. An action returns when the bot's handler has returned; what workers do later is awaited with `until`.
- One action at a time: a `gather` of actions carries them out one after the other.
- It has no rate limits, retries or size limits, and an expired token is a 404/10015 (Discord: 401/50027): such things
  are tested against the wire (`tests/wire`), or with `fail`.
- Its attachments know neither width nor height, their `url` leads nowhere (use `read()`), component ids are all 0.
- Options that a real client would not let through (out of range, not a choice) raise in the test: `OptionError`.
- Commands marked nsfw are registered without the mark: assert the mark on the command itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import discord
import simcord
from discord import app_commands
from discord.ext import commands
from simcord import OptionError

from bot.errors import BotError
from bot.sandbox.demo.clock import AdjustableClock
from bot.sandbox.demo.reading import accents_of, text_of
from bot.sandbox.demo.simulation import SimulatedDiscord

__all__ = ["File", "Member", "OptionError", "Reply", "Role", "Shown", "Simulation", "simulated"]

File = tuple[str, bytes]
"""An attachment: file name and content."""
Channel = simcord.ChannelHandle
Role = simcord.RoleHandle
BotFactory = Callable[["Simulation"], commands.AutoShardedBot]

POLL = 0.01
TRANSCRIPT_TAIL = 4000


class Shown:
    """One message as it is now. Every look at it is a fresh one."""

    def __init__(
        self, channel: Channel, message_id: int, viewer: simcord.MemberActor | simcord.UserHandle | None
    ) -> None:
        self.channel = channel
        self.id = message_id
        self._viewer = viewer

    @property
    def exists(self) -> bool:
        """Whether it was not deleted."""
        return self._find() is not None

    @property
    def raw(self) -> discord.Message:
        """The message as discord.py sees it."""
        message = self._find()
        assert message is not None, "this message was deleted, or is for somebody else only"
        return message

    def _find(self) -> discord.Message | None:
        # without a viewer, simcord leaves out what single members see
        return next((message for message in self.channel.history(viewer=self._viewer) if message.id == self.id), None)

    @property
    def text(self) -> str:
        """All its text, of whatever parts it is made, button labels included."""
        return text_of(self.raw)

    @property
    def accents(self) -> list[int]:
        """The colours of its containers."""
        return accents_of(self.raw)

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons."""
        rows = [row for row in self.raw.components if isinstance(row, discord.ActionRow)]
        return [item.label or "" for row in rows for item in row.children if isinstance(item, discord.Button)]

    @property
    def ephemeral(self) -> bool:
        """Whether only one member sees it."""
        return self.raw.flags.ephemeral

    @property
    def files(self) -> list[str]:
        """The names of its attachments."""
        return [attachment.filename for attachment in self.raw.attachments]

    async def read(self, name: str | None = None) -> bytes:
        """Return the content of an attachment, by default of the first."""
        attachment = next(file for file in self.raw.attachments if name in (None, file.filename))
        return await attachment.read()


class Reply:
    """What came of an action: the answer and what followed it."""

    def __init__(
        self, channel: Channel, member: simcord.MemberActor | simcord.UserHandle, result: simcord.InteractionResult
    ) -> None:
        self.channel = channel
        self._member = member
        self.result = result

    @property
    def answered(self) -> bool:
        """Whether the bot answered at all."""
        return self.result.acknowledged

    @property
    def deferred(self) -> bool:
        """Whether it first asked for time."""
        return self.result.deferred

    @property
    def ephemeral(self) -> bool:
        """Whether only the member sees the answer."""
        return self.result.ephemeral

    @property
    def modal(self) -> dict[str, Any] | None:
        """The dialog that was opened."""
        return self.result.modal

    @property
    def message(self) -> Shown:
        """The answer. Fails when there is none, or it was deleted."""
        response = self.result.response
        assert response is not None, "the bot has not answered with a message"
        return Shown(self.channel, response.id, self._member)

    @property
    def text(self) -> str:
        """The answer's text; empty when there is none."""
        return self.message.text if self.result.response else ""

    @property
    def files(self) -> list[str]:
        """The names of the answer's attachments."""
        return self.message.files if self.result.response else []

    @property
    def followups(self) -> list[Shown]:
        """Further messages, oldest first."""
        return [Shown(self.channel, followup.id, self._member) for followup in self.result.followups]


class Member:
    """Somebody who does what a person can do in a Discord client, and nothing else."""

    def __init__(self, sim: SimulatedDiscord, actor: simcord.MemberActor) -> None:
        self._sim = sim
        self.actor = actor
        self.id = actor.id
        self.name = actor.name

    async def slash(self, channel: Channel, command: str, /, **options: Any) -> Reply:
        """Run a command ("imagine", "settings show"); an attachment option takes a `File`."""
        return Reply(channel, self.actor, await self._sim.acting(self.actor.slash(channel, command, **_given(options))))

    async def slash_in_private(self, command: str, /, **options: Any) -> Reply:
        """Run a command in the direct messages with the bot."""
        user = self.actor.user
        return Reply(user.dm_channel, user, await self._sim.acting(user.slash(command, **_given(options))))

    async def autocomplete(self, channel: Channel, command: str, option: str, typed: str, /, **given: Any) -> list[str]:
        """Return what is offered while `typed` stands in an option."""
        choices = await self._sim.acting(self.actor.autocomplete(channel, command, option, typed, **given))
        return [choice["name"] for choice in choices]

    async def press(self, message: Shown, label: str | None = None, *, custom_id: str | None = None) -> Reply:
        """Press a button."""
        action = self.actor.click(message.raw, label=label, custom_id=custom_id)
        return Reply(message.channel, self.actor, await self._sim.acting(action))

    async def select(self, message: Shown, values: Sequence[Any], *, custom_id: str | None = None) -> Reply:
        """Choose in a menu."""
        action = self.actor.select(message.raw, values, custom_id=custom_id)
        return Reply(message.channel, self.actor, await self._sim.acting(action))

    async def submit(self, opened: Reply, values: dict[str, Any]) -> Reply:
        """Fill in and send the dialog that `opened` shows; a file upload takes a `File`."""
        return Reply(opened.channel, self.actor, await self._sim.acting(self.actor.submit_modal(opened.result, values)))

    async def context_menu(self, channel: Channel, name: str, target: "Shown | Member") -> Reply:
        """Use an entry of the menu of a message or a member."""
        on = target.actor if isinstance(target, Member) else target.raw
        return Reply(channel, self.actor, await self._sim.acting(self.actor.context_menu(channel, name, on)))

    async def delete(self, message: Shown) -> None:
        """Delete a message, own or (with permission) of others."""
        await self._sim.acting(self.actor.delete(message.raw))

    def commands(self, channel: Channel) -> tuple[str, ...]:
        """Return the commands that the `/` list offers."""
        return self.actor.available_commands(channel)


class Simulation:
    """A running Discord with one bot in one server."""

    def __init__(self, discord_: SimulatedDiscord, errors: list[BaseException]) -> None:
        self._discord = discord_
        self._errors = errors
        self.clock = discord_.clock
        """In step with Discord; `advance` moves both."""

    @property
    def bot(self) -> commands.AutoShardedBot:
        """The bot under test."""
        return self._discord.env.bot  # pyright: ignore[reportReturnType]  # it is what the factory returned

    @property
    def guild_id(self) -> int:
        """The one server."""
        return self._discord.guild.id

    @property
    def requests(self) -> list[simcord.HttpLogEntry]:
        """Every REST call that the bot made, as `.method`, `.path`, `.json`."""
        return self._discord.env.http_requests

    def channel(
        self, name: str = "art", *, overwrites: dict[Member, discord.PermissionOverwrite] | None = None
    ) -> Channel:
        """Open a text channel, in which some members may do other things than elsewhere."""
        if overwrites:
            here: dict[Any, discord.PermissionOverwrite] = {
                member.actor: allowed for member, allowed in overwrites.items()
            }
            return self._discord.guild.create_text_channel(name, overwrites=here)
        return self._discord.channel(name)

    def member(
        self,
        name: str,
        *,
        permissions: discord.Permissions | None = None,
        locale: str | None = None,
        roles: Sequence[Role] = (),
    ) -> Member:
        """Let somebody join. `locale` is a Discord locale such as "de"."""
        actor = self._discord.member(name, permissions=permissions, locale=locale, roles=roles)
        return Member(self._discord, actor)

    def role(self, name: str) -> Role:
        """Make a role without permissions; an option of a command takes it."""
        return self._discord.guild.create_role(name)

    def everybody(self) -> Role:
        """Return the role of all members."""
        return self._discord.guild.default_role

    async def offer(self, command: str, member: Member) -> None:
        """Let Discord offer a command to somebody who lacks its permission, as admins can in a server's settings."""
        found = next(each for each in await self.bot.tree.fetch_commands() if each.name == command)
        self._discord.guild.set_command_permissions(found, {member.actor: True})

    def messages(self, channel: Channel, viewer: Member | None = None) -> list[Shown]:
        """Return the messages that `viewer` sees, oldest first; without one, those that everybody sees."""
        actor = viewer.actor if viewer else None
        return [Shown(channel, message.id, actor) for message in channel.history(viewer=actor)]

    def fail(self, method: str, path: str, *, status: int, code: int = 0, times: int | None = 1) -> None:
        """Let matching REST calls fail ("PATCH", "/webhooks/*"); `times=None`: from now on. Nothing is retried."""
        self._discord.env.inject_error(method, path, status=status, code=code, message="injected", times=times)

    def install_for_user(self) -> None:
        """From now on the bot came with the member who uses it: it cannot edit by its own token."""
        self._discord.user_installed = True

    def advance(self, seconds: float) -> None:
        """Put Discord's clock and `clock` forward: tokens expire. Sleeps and time limits are not shortened."""
        self.clock.advance(seconds)

    async def until(self, true: Callable[[], Any], *, within: float = 10.0) -> None:
        """Return as soon as `true()` is; real workers do real work meanwhile."""
        try:
            async with asyncio.timeout(within):
                while not true():  # noqa: ASYNC110  # it may be anything that a test can see
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise AssertionError(f"did not come true within {within} s") from None

    def take_errors(self) -> list[BaseException]:
        """Return the exceptions that the bot's handlers raised so far, and forgive them."""
        taken = [_cause(error) for error in self._errors]
        self._errors.clear()
        return taken


@asynccontextmanager
async def simulated(make_bot: BotFactory, *, guild: str = "Test guild") -> AsyncGenerator[Simulation]:
    """Run a bot on a simulated Discord. The factory gets the simulation for its `clock`.

    Errors that the bot means to answer (`BotError`, failed checks) are part of its work; any other one that was not
    taken with `take_errors` fails the test at the end. The bot is closed, which simcord would not do.
    """
    errors: list[BaseException] = []
    discord_ = SimulatedDiscord(clock=AdjustableClock(), on_error=errors.append, guild=guild)
    sim = Simulation(discord_, errors)
    async with discord_.running(make_bot(sim)):
        env = discord_.env
        try:
            yield sim
        except BaseException as error:
            error.add_note(f"What the bot did last:\n{env.transcript()[-TRANSCRIPT_TAIL:]}")
            raise
    unexpected = [error for error in map(_cause, errors) if not isinstance(error, BotError | _MEANT)]
    if unexpected:
        raise BaseExceptionGroup("the bot made mistakes", unexpected)


_MEANT = app_commands.CheckFailure | app_commands.TransformerError | app_commands.CommandNotFound


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value.actor if isinstance(value, Member) else value for name, value in options.items()}


def _cause(error: BaseException) -> BaseException:
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error
