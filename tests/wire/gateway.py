"""The gateway: HELLO, IDENTIFY, READY, heartbeats, RESUME with replay, and the ways in which it breaks."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from tests.wire.gateway_session import Connection, Session
from tests.wire.http_json import Json
from tests.wire.places import WireGuild
from tests.wire.snowflakes import shard_of
from tests.wire.world import World

HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 1, 2, 6, 7, 9, 10, 11
BAD_TOKEN, INVALID_SHARD, SHARDING_REQUIRED = 4004, 4010, 4011
IDENTIFY_WINDOW = 5.0
"""Seconds in which each key (shard id modulo `max_concurrency`) may identify once."""


class Gateway:
    """Serves all shards of one bot, from however many processes they come."""

    def __init__(self, *, world: World, url: Callable[[], str]) -> None:
        self._world = world
        self._url = url
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self._shard_count = 0
        self._identified: dict[int, float] = {}
        self.shards: dict[int, Session] = {}
        """The newest session of each shard."""

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one socket until it ends."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(request=request, socket=socket)
        self._connections.add(connection)
        try:
            await connection.send_op(HELLO, {"heartbeat_interval": int(self._world.state.heartbeat_seconds * 1000)})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(message.data))
        finally:
            self._connections.discard(connection)
            self._detach(connection)
        return socket

    async def dispatch(self, event: str, data: Json, *, guild: int | None = None, shard: int | None = None) -> None:
        """Send an event to every session that hears of a guild, or to those of a shard.

        Raises LookupError when no bot ever was there.
        """
        hearers = [session for session in self._sessions.values() if _hears(session, guild, shard)]
        if not hearers:
            number = self.shard_of(guild) if shard is None else shard
            raise LookupError(f"no bot has identified on shard {number}; await wire.ready() first")
        for session in hearers:
            await session.dispatch(event, data)

    def shard_of(self, guild: int | None) -> int:
        """Return the shard that hears about a guild, by the number of shards that the bot uses."""
        return shard_of(guild, self._shard_count or self._world.state.shards)

    def live_shards(self) -> int:
        """Return how many shards hear events now, of the newest number of shards."""
        return len(self.live_sessions())

    def live_sessions(self) -> dict[int, Session]:
        """Return the sessions that hear events now, by shard, of the newest number of shards."""
        live = {shard: session for shard, session in self.shards.items() if session.is_live}
        return {shard: session for shard, session in live.items() if session.shard_count == self._shard_count}

    def drop(self, shard: int = 0) -> None:
        """Cut the socket of a shard; its session stays resumable."""
        connection = self._connection(shard)
        self._detach(connection)
        connection.abort()

    async def reconnect(self, shard: int = 0) -> None:
        """Ask a shard to connect again and resume (opcode 7)."""
        await self._connection(shard).send_op(RECONNECT)

    async def close(self, code: int, shard: int = 0) -> None:
        """Close the socket of a shard with a code, such as 4000, 4009 or 1001."""
        connection = self._connection(shard)
        self._detach(connection)
        await connection.close(code)

    async def invalidate(self, shard: int = 0, *, resumable: bool = False) -> None:
        """End the session of a shard (opcode 9); a bot must then identify again."""
        session, connection = self.shards[shard], self._connection(shard)
        if not resumable:
            self._end(session)
        await connection.send_op(INVALID_SESSION, resumable)

    def stop(self) -> None:
        """Cut all sockets."""
        for connection in list(self._connections):
            connection.abort()

    async def _receive(self, connection: Connection, message: Json) -> None:
        op, data = message["op"], message.get("d")
        if op == HEARTBEAT:
            self._world.counters.heartbeats += 1
            if self._world.state.ack_heartbeats:
                await connection.send_op(HEARTBEAT_ACK)
        elif op == IDENTIFY:
            await self._identify(connection, data)
        elif op == RESUME:
            await self._resume(connection, data)

    async def _identify(self, connection: Connection, data: Any) -> None:
        state, counters = self._world.state, self._world.counters
        counters.identifies += 1
        if state.close_identifies:
            return await connection.close(state.close_identifies.pop(0))
        if state.bot_token is not None and data["token"] != state.bot_token:
            return await connection.close(BAD_TOKEN)
        if state.refuse_identifies > 0:
            state.refuse_identifies -= 1
            return await self._refuse(connection)
        shard, count = data.get("shard", (0, 1))
        if not 0 <= shard < count:
            return await connection.close(INVALID_SHARD)
        if count < state.fewest_shards:
            return await connection.close(SHARDING_REQUIRED)
        if self._is_too_soon(shard % state.max_concurrency):
            return await self._refuse(connection)
        self._forget_dead(shard, count)
        session = Session(secrets.token_hex(16), shard, count, data.get("intents", 0), connection)
        self._sessions[session.id] = self.shards[shard] = session
        self._shard_count = count
        return await self._greet(session)

    def _is_too_soon(self, key: int) -> bool:
        """Count an IDENTIFY; tell whether the last one with this key is less than five seconds old."""
        now = time.monotonic()
        before = self._identified.get(key, float("-inf"))
        if self._world.state.limit_identifies and now - before < IDENTIFY_WINDOW:
            return True
        self._identified[key] = now
        return False

    def _forget_dead(self, shard: int, count: int) -> None:
        """Forget sessions of a shard whose socket is gone: whoever identifies anew does not resume them."""
        for session in list(self._sessions.values()):
            if (session.shard, session.shard_count) == (shard, count) and session.connection is None:
                self._end(session)

    async def _greet(self, session: Session) -> None:
        guilds = [
            guild
            for guild in self._world.guilds.values()
            if guild.joined and shard_of(guild.id, session.shard_count) == session.shard
        ]
        await session.dispatch("READY", self._ready(session, guilds))
        for guild in guilds:
            await session.dispatch("GUILD_CREATE", guild.payload(self._world.bot))
        session.is_ready = True
        self._world.changes.notify()

    def _ready(self, session: Session, guilds: list[WireGuild]) -> Json:
        world = self._world
        return {
            "v": 10,
            "user": {**world.bot.payload(), "verified": True, "mfa_enabled": True, "flags": 0},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._url(),
            "shard": [session.shard, session.shard_count],
            "application": {"id": str(world.application_id), "flags": 0},
            "private_channels": [],
        }

    async def _resume(self, connection: Connection, data: Any) -> None:
        state, counters = self._world.state, self._world.counters
        counters.resumes += 1
        session = self._sessions.get(data["session_id"])
        if session is None or state.refuse_resumes > 0:
            state.refuse_resumes = max(0, state.refuse_resumes - 1)
            if session is not None:
                self._end(session)
            return await self._refuse(connection)
        await self._replay(session, connection, data["seq"])
        session.connection = connection
        await session.dispatch("RESUMED", {"_trace": []})
        return self._world.changes.notify()

    async def _replay(self, session: Session, connection: Connection, since: int) -> None:
        while missed := session.missed(since):  # more may happen while these are sent
            self._world.counters.replayed_events += len(missed)
            for _, text in missed:
                await connection.send(text)
            since = missed[-1][0]

    async def _refuse(self, connection: Connection) -> None:
        self._world.counters.refused_sessions += 1
        await connection.send_op(INVALID_SESSION, False)

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        session.is_ready = False
        session.connection = None

    def _detach(self, connection: Connection) -> None:
        for session in self._sessions.values():
            if session.connection is connection:
                session.connection = None
        self._world.changes.notify()

    def _connection(self, shard: int) -> Connection:
        session = self.shards.get(shard)
        if session is None or session.connection is None:
            raise LookupError(f"shard {shard} is not connected")
        return session.connection


def _hears(session: Session, guild: int | None, shard: int | None) -> bool:
    """Tell whether a session is one of a shard, or hears of a guild, by the number of shards it was begun with."""
    return session.shard == (shard_of(guild, session.shard_count) if shard is None else shard)
