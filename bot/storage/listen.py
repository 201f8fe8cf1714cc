"""Notifications between processes over PostgreSQL's LISTEN and NOTIFY; implements `bot.jobs.cluster.bus`.

Listening needs a connection of its own, without a pooler that switches sessions: notifications get lost there without
an error. So the process regularly sends itself a test; while none comes back, `poll_interval` asks for polling instead.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, Protocol, cast

from bot.aio import wait_for_event
from bot.clock import Clock
from bot.errors import StartupError
from bot.i18n import _
from bot.jobs.cluster.bus import Callback, Listeners, Topic
from bot.storage import database_url
from bot.storage.engine.postgres import NO_CACHE
from bot.storage.notify import CHANNEL, TEST, NotifySender, SendThrough, read

log = logging.getLogger(__name__)

POLL_INTERVAL, POLL_INTERVAL_WITHOUT_NOTIFY = 2.0, 0.25
SELF_TEST_TIMEOUT = 2.0
"""Seconds within which a test sent to ourselves must come back."""
SELF_TEST_INTERVAL = 10.0
"""Seconds between two tests of the connection."""
QUERY_TIMEOUT, CONNECT_TIMEOUT = 5.0, 5.0
"""Timeouts in seconds: for a trivial query, and to connect."""
RECONNECT_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each reconnect; the last one is repeated."""


class AsyncpgConnection(Protocol):
    """An asyncpg connection; asyncpg ships no types."""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...
    async def execute(self, query: str) -> str: ...
    def terminate(self) -> None: ...


class PostgresBus:
    """Notifications to all processes on one database. `run` it as long as the process lives, then `close` it."""

    def __init__(self, *, dsn: str, send_through: SendThrough, clock: Clock, me: str = "") -> None:
        """Listen at `dsn`, which must bypass any pooler; `me` identifies this process.

        Raises `StartupError` if `dsn` is not a PostgreSQL URL.
        """
        self._arguments = _arguments(dsn)
        self._clock = clock
        self._me = me or uuid.uuid4().hex
        self._listeners = Listeners()
        self._sender = NotifySender(send_through=send_through, clock=clock, me=self._me)
        self._connection: AsyncpgConnection | None = None
        self._test_received = asyncio.Event()
        self._test = ""
        self._receives = False
        self._was_warned = False

    def subscribe(self, topic: Topic, callback: Callback) -> None:
        self._listeners.subscribe(topic, callback)

    def send(self, topic: Topic, payload: str = "") -> None:
        """Notify this process immediately, the others as soon as the database delivers it."""
        self._listeners.notify(topic, payload)
        self._sender.send(topic, payload)

    @property
    def poll_interval(self) -> float:
        return POLL_INTERVAL if self._receives else POLL_INTERVAL_WITHOUT_NOTIFY

    async def run(self) -> None:
        """Listen and send until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sender.run(), name="notification sender")
                tasks.create_task(self._keep_listening(), name="notification listener")
        finally:
            self._disconnect()

    async def close(self) -> None:
        """Send what is left, if the database answers quickly."""
        await self._sender.close()

    # ------------------------------------------------------------------ listening

    async def _keep_listening(self) -> None:
        tries = 0
        while True:
            try:
                self._connection = await self._connected()
                tries = 0
                await self._keep_testing(self._connection)
            except Exception as error:  # from asyncpg or the network
                log.info("notifications from other processes are unavailable: %s", type(error).__name__)
            self._receives = False
            self._disconnect()
            await self._clock.sleep(RECONNECT_DELAYS[min(tries, len(RECONNECT_DELAYS) - 1)])
            tries += 1

    async def _connected(self) -> AsyncpgConnection:
        import asyncpg

        async with asyncio.timeout(CONNECT_TIMEOUT):
            connection = cast("AsyncpgConnection", await asyncpg.connect(**self._arguments))  # pyright: ignore[reportUnknownMemberType] # no types
        try:
            async with asyncio.timeout(QUERY_TIMEOUT):
                await connection.add_listener(CHANNEL, self._on_notification)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _keep_testing(self, connection: AsyncpgConnection) -> None:
        """Return or raise once the connection is dead."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _connection: ended.set())
        while not ended.is_set():
            is_sent = await self._self_test()
            if not self._test_received.is_set():  # raises if the connection is dead; else a pooler drops notifications
                async with asyncio.timeout(QUERY_TIMEOUT):
                    await connection.execute("SELECT 1")
            if is_sent:
                self._set_receives(receives=self._test_received.is_set())
            await wait_for_event(self._clock, SELF_TEST_INTERVAL, ended)

    async def _self_test(self) -> bool:
        """Send ourselves a test and wait for it; return whether it could be sent."""
        self._test_received.clear()
        self._test = uuid.uuid4().hex
        if not await self._sender.test(self._test):
            return False
        await wait_for_event(self._clock, SELF_TEST_TIMEOUT, self._test_received)
        return True

    def _set_receives(self, *, receives: bool) -> None:
        if receives and self._was_warned:
            log.info("notifications between processes work again")
        if not receives and not self._was_warned:
            log.warning(
                "notifications between processes are unavailable, so the bot polls instead and reacts a little later. "
                "If DATABASE_URL goes through a pooler, set DATABASE_LISTEN_URL to the address of PostgreSQL itself"
            )
        self._receives, self._was_warned = receives, not receives

    def _on_notification(self, _connection: object, _pid: int, _channel: str, text: object) -> None:
        notification = read(text)
        if notification is None:
            return
        sender, topic, payload = notification
        if topic == TEST:
            if payload == self._test:
                self._test_received.set()
        elif sender != self._me:
            self._listeners.notify(Topic(topic), payload)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _arguments(dsn: str) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect`, without a statement cache: there are only a few trivial statements."""
    try:
        url = database_url.parse(dsn)
    except StartupError:
        url = None
    if url is None or url.drivername != "postgresql":
        raise StartupError(_("DATABASE_LISTEN_URL must point to the same PostgreSQL database as DATABASE_URL."))
    plain = url.difference_update_query([NO_CACHE, "channel_binding"])  # unknown to asyncpg
    return {
        "dsn": plain.render_as_string(hide_password=False),
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": QUERY_TIMEOUT,
        "statement_cache_size": 0,
    }
