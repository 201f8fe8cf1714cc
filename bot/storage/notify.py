"""Sends notifications to the other processes: batched, without duplicates, and bounded.

A notification is JSON with its sender, topic and payload. A lost one only costs time.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from bot.aio import wait_for_event
from bot.clock import Clock
from bot.jobs.cluster.bus import Topic
from bot.jobs.cluster.progress_cache import fractions
from bot.jobs.repository import DatabaseUnavailableError
from bot.storage.engine.base import Engine
from bot.workflow.json_access import load, mapping

log = logging.getLogger(__name__)

CHANNEL: Final = "comfycord"
TEST: Final = "test"
"""Topic of a test sent to ourselves."""
SEND_INTERVAL = 0.02
"""Seconds between two transactions; everything in between is sent together."""
PROGRESS_INTERVAL = 1.0
"""Seconds between two progress reports."""
MAX_PENDING = 1_000
"""Limit for unsent notifications, and for jobs whose progress is unsent."""
MAX_PAYLOAD = 7_900
"""Bytes per notification; PostgreSQL's limit is below 8,000."""
MAX_BATCH = 100
"""Jobs per progress report."""
CLOSE_TIMEOUT = 1.0
"""Seconds to send what is left on close."""

SendThrough = Callable[[Sequence[str]], Awaitable[None]]
"""Sends payloads to all processes in one transaction. May raise `DatabaseUnavailableError`."""


class NotifySender:
    """Sends notifications over an ordinary connection. `me` identifies this process."""

    def __init__(self, *, send_through: SendThrough, clock: Clock, me: str) -> None:
        self._send_through = send_through
        self._clock = clock
        self._me = me
        self._pending: dict[tuple[str, str], None] = {}
        self._progress: dict[str, float] = {}
        self._progress_at = float("-inf")
        self._has_pending = asyncio.Event()

    def send(self, topic: Topic, payload: str) -> None:
        """Queue a notification for all processes."""
        if topic is Topic.PROGRESS:
            self._progress |= fractions(payload)
            _forget_oldest(self._progress)
        else:
            self._pending[topic, payload] = None
            _forget_oldest(self._pending)
        self._has_pending.set()

    async def test(self, word: str) -> bool:
        """Send ourselves a test; return whether it was sent."""
        return await self._send([self._encode(TEST, word)])

    async def run(self) -> None:
        """Send queued notifications until cancelled."""
        while True:
            while not self._is_due():
                self._has_pending.clear()
                if self._progress:
                    await wait_for_event(self._clock, self._progress_in(), self._has_pending)
                else:
                    await self._has_pending.wait()
            await self._send(self._batch())
            await self._clock.sleep(SEND_INTERVAL)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._send(self._batch())
        except TimeoutError:
            log.debug("the last notifications were not sent in time")

    def _is_due(self) -> bool:
        return bool(self._pending) or (bool(self._progress) and self._progress_in() <= 0)

    def _progress_in(self) -> float:
        return self._progress_at + PROGRESS_INTERVAL - self._clock.monotonic()

    def _batch(self) -> list[str]:
        payloads = [self._encode(topic, payload) for topic, payload in self._pending]
        self._pending.clear()
        if self._progress and self._progress_in() <= 0:
            payloads += [self._encode(Topic.PROGRESS, json.dumps(chunk)) for chunk in _chunks(self._progress)]
            self._progress.clear()
            self._progress_at = self._clock.monotonic()
        return payloads

    def _encode(self, topic: str, payload: str) -> str:
        return json.dumps({"topic": topic, "payload": payload, "from": self._me})

    async def _send(self, payloads: Sequence[str]) -> bool:
        # Characters are bytes here: JSON escapes everything that isn't ASCII
        sendable = [payload for payload in payloads if len(payload) <= MAX_PAYLOAD]
        if len(sendable) < len(payloads):
            log.warning("%d notifications are too long and were not sent", len(payloads) - len(sendable))
        try:
            if sendable:
                await self._send_through(sendable)
        except DatabaseUnavailableError:
            log.debug("%d notifications were lost: the database does not answer", len(sendable))
            return False
        return True


def through(engine: Engine) -> SendThrough:
    """Return a function that sends over the ordinary connections of a PostgreSQL."""

    async def send(payloads: Sequence[str]) -> None:
        values = {"channel": CHANNEL, "payloads": list(payloads)}
        try:
            await engine.write(lambda conn, _again: _notify(conn, values), single=True)
        except DBAPIError as error:
            raise DatabaseUnavailableError from error

    return send


def _notify(conn: Connection, values: dict[str, Any]) -> None:
    conn.execute(_NOTIFY, values)


_NOTIFY: Final = sa.text("SELECT pg_notify(:channel, payload) FROM unnest(:payloads) AS payload").bindparams(
    sa.bindparam("payloads", type_=ARRAY(sa.Text))
)


def read(text: object) -> tuple[str, str, str] | None:
    """Return sender, topic and payload of a notification; None if it isn't ours."""
    fields = mapping(load(text) if isinstance(text, str) else None)
    sender, topic, payload = (fields.get(name) for name in ("from", "topic", "payload"))
    if not (isinstance(sender, str) and isinstance(topic, str) and isinstance(payload, str)):
        return None
    return (sender, topic, payload) if topic == TEST or topic in set(Topic) else None


def _chunks(progress: Mapping[str, float]) -> Iterator[dict[str, float]]:
    entries = list(progress.items())
    for start in range(0, len(entries), MAX_BATCH):
        yield dict(entries[start : start + MAX_BATCH])


def _forget_oldest(entries: dict[Any, Any]) -> None:
    while len(entries) > MAX_PENDING:
        del entries[next(iter(entries))]
