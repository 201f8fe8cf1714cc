"""The fake Discord as tests hold it: starts the server, plays the people, reads what the bot did.

An unmodified discord.py talks to it over real HTTP and a real websocket, so its retry, bucket and resume code runs.
It knows nothing of the bot under test, which may live in this process or in another one.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from aiohttp import web

from tests.wire.board import MessageBoard
from tests.wire.components import BUTTON, find_custom
from tests.wire.files import Attachment
from tests.wire.gateway import Gateway
from tests.wire.http_json import Json
from tests.wire.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, WireInteraction
from tests.wire.invocation import Invocations, Where
from tests.wire.messages import WireMessage
from tests.wire.middleware import API, Gatekeeper
from tests.wire.modals import submitted
from tests.wire.options import Resolved, command_options, typed_options
from tests.wire.places import WireChannel, WireGuild
from tests.wire.ratelimits import RateLimits
from tests.wire.routes_application import ApplicationRoutes
from tests.wire.routes_messages import MessageRoutes
from tests.wire.snowflakes import guild_id
from tests.wire.state import RequestRecord, WireCounters, WireState
from tests.wire.world import World

CONTEXT_MENU_MESSAGE, CONTEXT_MENU_USER = 3, 2
MAX_BODY = 1 << 30
SHUTDOWN_SECONDS = 1.0
ANSWER_MARGIN = 1.0


class WireDiscord:
    """`async with WireDiscord() as wire:` and point a bot at `wire.api_url`.

    Leaving the block raises an ExceptionGroup when the fake itself failed at some request.
    """

    def __init__(
        self,
        *,
        guilds: Sequence[WireGuild] | None = None,
        state: WireState | None = None,
        port: int = 0,
        application_id: int | None = None,
    ) -> None:
        """`application_id` is for a bot that was here before; else it is a new one."""
        self.state = state or WireState()
        places = list(guilds or [WireGuild(guild_id(0))])
        self.world = World(guilds=places, state=self.state, application_id=application_id)
        self._port = port
        self._limits = RateLimits(state=self.state)
        self._gate = Gatekeeper(world=self.world, limits=self._limits)
        self._application = ApplicationRoutes(world=self.world)
        self._invocations = Invocations(world=self.world)
        self.gateway = Gateway(world=self.world, url=lambda: self.gateway_url)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        board = MessageBoard(world=self.world, limits=self._limits)
        app = web.Application(middlewares=[self._gate.admit], client_max_size=MAX_BODY)
        tables = (self._application.table(), MessageRoutes(world=self.world, board=board).table())
        for table in tables:
            app.add_routes([web.route(route.method, API + route.path, route.handler) for route in table])
        app.add_routes([*self._application.cdn_table(), web.get("/gateway", self.gateway.handle)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.world.base = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._gate.failures and error is None:
            raise ExceptionGroup("the fake could not serve some requests", self._gate.failures)

    @property
    def api_url(self) -> str:
        """What `DISCORD_API_URL` or `discord.http.Route.BASE` must be."""
        return self.world.base + API

    @property
    def gateway_url(self) -> str:
        """Where the websocket is; bots learn it from `/gateway/bot`."""
        return self._application.gateway_url

    @property
    def requests(self) -> deque[RequestRecord]:
        """All answered requests, oldest first."""
        return self._gate.requests

    @property
    def counters(self) -> WireCounters:
        """What was counted so far."""
        return self.world.counters

    @property
    def guild(self) -> WireGuild:
        """The first guild."""
        return next(iter(self.world.guilds.values()))

    async def ready(self, shards: int | None = None, timeout: float = 25.0) -> None:
        """Return once so many shards (by default all) hear events, of whichever processes. Raises TimeoutError."""
        wanted = self.state.shards if shards is None else shards
        await self.world.changes.until(lambda: self.gateway.live_shards() >= wanted, timeout, f"{wanted} live shards")

    async def commands(self, timeout: float = 10.0) -> dict[str, Json]:
        """Return the registered commands by name, as soon as there are any. Raises TimeoutError."""
        await self.world.changes.until(lambda: bool(self.world.commands.by_name()), timeout, "registered commands")
        return self.world.commands.by_name()

    async def slash(
        self, name: str, options: Mapping[str, Any] | None = None, *, wait: bool = True, **where: Unpack[Where]
    ) -> WireInteraction:
        """Send a slash command (`"queue pause"` for a subcommand); return once the bot has answered.

        Raises OptionError for what the app would not send, and TimeoutError when the bot does not answer in time;
        `wait=False` returns at once.
        """
        root, *path = name.split()
        origin = self._invocations.origin(where)
        command = self.world.commands.find(root, origin.guild.id if origin.guild else None)
        resolved = Resolved(world=self.world, channel=origin.channel)
        sent = command_options(command, path, options or {}, resolved)
        interaction = self._invocations.open(COMMAND, name, origin)
        data = _command_data(command) | {"options": sent} | _resolved(resolved)
        return await self._send(interaction, data, wait=wait)

    async def autocomplete(
        self,
        name: str,
        option: str,
        value: str | float,
        other_options: Mapping[str, Any] | None = None,
        **where: Unpack[Where],
    ) -> list[Json]:
        """Return the choices that the bot offers while a person types `value`."""
        root, *path = name.split()
        origin = self._invocations.origin(where)
        command = self.world.commands.find(root, origin.guild.id if origin.guild else None)
        values = {**(other_options or {}), option: value}
        interaction = self._invocations.open(AUTOCOMPLETE, name, origin)
        data = _command_data(command) | {"options": typed_options(command, path, option, values)}
        await self._send(interaction, data, wait=True)
        return interaction.choices

    async def context_menu(
        self, name: str, target: WireMessage | int, *, wait: bool = True, **where: Unpack[Where]
    ) -> WireInteraction:
        """Choose an app command on a message, or on a user by id."""
        if isinstance(target, WireMessage):
            where = self._invocations.where_of(target, where)
        origin = self._invocations.origin(where)
        kind = CONTEXT_MENU_MESSAGE if isinstance(target, WireMessage) else CONTEXT_MENU_USER
        command = self.world.commands.find(name, origin.guild.id if origin.guild else None, kind)
        resolved = Resolved(world=self.world, channel=origin.channel)
        target_id = resolved.message(target.id) if isinstance(target, WireMessage) else resolved.user(target)
        interaction = self._invocations.open(COMMAND, name, origin)
        data = _command_data(command) | {"target_id": target_id} | _resolved(resolved)
        return await self._send(interaction, data, wait=wait)

    async def component(
        self,
        message: WireMessage,
        custom_id: str,
        *,
        values: Sequence[str] = (),
        wait: bool = True,
        **where: Unpack[Where],
    ) -> WireInteraction:
        """Press a button, or choose `values` in a select. Raises LookupError, or ValueError when it is disabled."""
        component = find_custom(message.components, custom_id)
        if component.get("disabled"):
            raise ValueError(f"component {custom_id!r} is disabled")
        origin = self._invocations.origin(self._invocations.where_of(message, where))
        interaction = self._invocations.open(COMPONENT, custom_id, origin, source=message)
        data: Json = {"custom_id": custom_id, "component_type": component["type"]}
        if component["type"] != BUTTON:
            data["values"] = list(values)
        return await self._send(interaction, data, wait=wait)

    async def submit_modal(
        self, opened: WireInteraction, values: Mapping[str, Any], *, wait: bool = True
    ) -> WireInteraction:
        """Fill in and send the modal with which the bot answered; files are lists of `Attachment`."""
        if opened.modal is None:
            raise ValueError(f"{opened.name!r} was not answered with a modal")
        resolved = Resolved(world=self.world, channel=opened.origin.channel)
        filled = submitted(opened.modal, values, resolved)
        custom_id = opened.modal["custom_id"]
        interaction = self._invocations.open(MODAL_SUBMIT, custom_id, opened.origin, source=opened.source)
        data = {"custom_id": custom_id, "components": filled} | _resolved(resolved)
        return await self._send(interaction, data, wait=wait)

    def user_message(
        self,
        content: str = "",
        files: Sequence[Attachment] = (),
        *,
        user_id: int = 1,
        channel: WireChannel | None = None,
    ) -> WireMessage:
        """Let a person write a message, for commands that start from one."""
        place = channel or self.guild.channels[0]
        message = WireMessage(
            message_id=self.world.snowflakes.next(),
            channel=place,
            author=self.world.user(user_id),
            changes=self.world.changes,
        )
        message.current.content = content
        message.current.files = [self.world.upload(file, place) for file in files]
        self.world.messages[message.id] = message
        return message

    def messages_in(self, channel: WireChannel) -> list[WireMessage]:
        """Return what still stands in a channel, oldest first."""
        return [
            message
            for message in self.world.messages.values()
            if message.channel.id == channel.id and not message.deleted
        ]

    async def allow(self, channel: WireChannel, permissions: int) -> None:
        """Change what the bot may do in a channel of a guild, and let it know."""
        channel.app_permissions = permissions
        await self.gateway.dispatch("CHANNEL_UPDATE", self.world.channel_payload(channel), guild=channel.guild_id)

    async def delete_channel(self, channel: WireChannel) -> None:
        """Delete a channel of a guild with all that was said in it, and let the bot know."""
        payload = self.world.channel_payload(channel)
        self.world.delete_channel(channel)
        await self.gateway.dispatch("CHANNEL_DELETE", payload, guild=channel.guild_id)

    def direct_messages(self, user_id: int) -> list[WireMessage]:
        """Return what the bot wrote to a person directly, oldest first."""
        return self.messages_in(self.world.dm_with(user_id))

    async def _send(self, interaction: WireInteraction, data: Json, *, wait: bool) -> WireInteraction:
        guild = interaction.origin.guild
        payload = self._invocations.payload(interaction, data)
        interaction.sent = time.monotonic()
        await self.gateway.dispatch("INTERACTION_CREATE", payload, guild=None if guild is None else guild.id)
        if wait:
            await interaction.answered(self.state.ack_seconds + ANSWER_MARGIN)
        return interaction


def _command_data(command: Json) -> Json:
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data


def _resolved(resolved: Resolved) -> Json:
    return {"resolved": resolved.data} if resolved.data else {}
