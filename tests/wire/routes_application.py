"""REST routes of the application itself, its commands, guilds, channels, people, and the CDN."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tests.wire.api_errors import ApiError, invalid_form
from tests.wire.http_json import Json, read_body, reply
from tests.wire.places import MEMBER_PERMISSIONS, VIEW_CHANNEL, WireGuild
from tests.wire.world import World

COMMANDS = "/applications/{application_id}/commands"
GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
ONLY_BY_GATEWAY = {"channels", "threads", "members", "voice_states", "presences", "stage_instances", "unavailable"}
"""Fields of a guild that GUILD_CREATE has and REST has not."""
CDN_FOLDERS = ("attachments", "ephemeral-attachments")


class ApplicationRoutes:
    """Answers what a bot asks about itself and its surroundings."""

    def __init__(self, *, world: World) -> None:
        self._world = world

    def table(self) -> Sequence[web.RouteDef]:
        """Return the routes, without the prefix of the API."""
        return [
            web.get("/users/@me", self._me),
            web.get("/users/{user_id}", self._user),
            web.post("/users/@me/channels", self._open_dm),
            web.get("/oauth2/applications/@me", self._application),
            web.get("/applications/@me", self._application),
            web.get("/applications/{application_id}/emojis", self._emojis),
            web.get("/gateway/bot", self._gateway),
            web.get(COMMANDS, self._get_commands),
            web.put(COMMANDS, self._put_commands),
            web.get(GUILD_COMMANDS, self._get_commands),
            web.put(GUILD_COMMANDS, self._put_commands),
            web.get("/guilds/{guild_id}", self._guild),
            web.get("/guilds/{guild_id}/channels", self._guild_channels),
            web.get("/guilds/{guild_id}/roles", self._guild_roles),
            web.get("/guilds/{guild_id}/members/{user_id}", self._guild_member),
            web.get("/channels/{channel_id}", self._channel),
        ]

    def cdn_table(self) -> Sequence[web.RouteDef]:
        """Return the routes of the CDN, which lie outside the API."""
        return [web.get(f"/{folder}/{{channel_id}}/{{file_id}}/{{name}}", self._download) for folder in CDN_FOLDERS]

    async def _me(self, request: web.Request) -> web.Response:
        return reply({**self._world.bot.payload(), "verified": True, "mfa_enabled": True, "flags": 0})

    async def _user(self, request: web.Request) -> web.Response:
        user = self._world.users.get(int(request.match_info["user_id"]))
        if user is None:
            raise ApiError(10013)
        return reply(user.payload())

    async def _open_dm(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        channel = self._world.dm_with(int(body.payload["recipient_id"]))
        return reply(self._world.channel_payload(channel))

    async def _application(self, request: web.Request) -> web.Response:
        world = self._world
        owner = world.user(1).payload()
        names = {"id": str(world.application_id), "name": world.bot.name, "description": "", "icon": None}
        access = {"bot_public": True, "bot_require_code_grant": False, "verify_key": "0" * 64, "flags": 0}
        return reply({**names, **access, "owner": owner, "team": None, "summary": "", "bot": world.bot.payload()})

    async def _emojis(self, request: web.Request) -> web.Response:
        return reply({"items": []})

    async def _gateway(self, request: web.Request) -> web.Response:
        state = self._world.state
        remaining = max(0, state.session_starts - self._world.counters.identifies)
        limit: Json = {"total": state.session_starts, "remaining": remaining, "reset_after": 86_400_000}
        limit["max_concurrency"] = state.max_concurrency
        return reply({"url": self.gateway_url, "shards": state.shards, "session_start_limit": limit})

    @property
    def gateway_url(self) -> str:
        """The address of the gateway, which is part of this server."""
        return self._world.base.replace("http", "ws", 1) + "/gateway"

    async def _get_commands(self, request: web.Request) -> web.Response:
        return reply(self._world.commands.scopes.get(self._scope(request), []))

    async def _put_commands(self, request: web.Request) -> web.Response:
        payloads: Any = await request.json()
        if not isinstance(payloads, list):
            raise invalid_form("_misc", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        commands: list[Json] = payloads  # pyright: ignore[reportUnknownVariableType] # JSON has no element types
        registered = self._world.commands.replace(self._scope(request), commands)
        self._world.changes.notify()
        return reply(registered)

    def _scope(self, request: web.Request) -> int | None:
        if int(request.match_info["application_id"]) != self._world.application_id:
            raise ApiError(50001)
        if "guild_id" not in request.match_info:
            return None
        return self._joined(request).id

    def _joined(self, request: web.Request) -> WireGuild:
        guild = self._world.guilds.get(int(request.match_info["guild_id"]))
        if guild is None or not guild.joined:
            raise ApiError(50001)
        return guild

    async def _guild(self, request: web.Request) -> web.Response:
        told = self._joined(request).payload(self._world.bot)
        return reply({name: value for name, value in told.items() if name not in ONLY_BY_GATEWAY})

    async def _guild_channels(self, request: web.Request) -> web.Response:
        return reply(self._joined(request).payload(self._world.bot)["channels"])

    async def _guild_roles(self, request: web.Request) -> web.Response:
        return reply(self._joined(request).payload(self._world.bot)["roles"])

    async def _guild_member(self, request: web.Request) -> web.Response:
        self._joined(request)
        user = self._world.users.get(int(request.match_info["user_id"]))
        if user is None:
            raise ApiError(10007)
        return reply({**user.member(permissions=MEMBER_PERMISSIONS, roles=[]), "user": user.payload()})

    async def _channel(self, request: web.Request) -> web.Response:
        channel_id = int(request.match_info["channel_id"])
        channel = self._world.channels.get(channel_id)
        if channel is None:
            raise ApiError(10003)
        sees = channel.guild_id is None or bool(channel.app_permissions & VIEW_CHANNEL)
        if not sees or not self._world.is_reachable(channel_id):
            raise ApiError(50001)
        return reply(self._world.channel_payload(channel))

    async def _download(self, request: web.Request) -> web.Response:
        file = self._world.files.get(int(request.match_info["file_id"]))
        expires = int(request.query.get("ex", "0"), 16)
        if file is None or request.query.get("hm") != file.signature or expires < time.time():
            return web.Response(status=404, text="This content is no longer available.")
        if file.delay:
            await asyncio.sleep(file.delay)
        if file.status != 200:
            return web.Response(status=file.status, text="forged by the test")
        return web.Response(body=file.data, headers={"Content-Type": file.content_type or "application/octet-stream"})
