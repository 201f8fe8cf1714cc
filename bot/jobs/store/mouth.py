"""What this process has to say to the others: kept for a moment, said once though it was wished twice, and bounded.

A hint is JSON: who sent it, what it is about, and its payload. One that is lost costs time only.
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

from bot.clock import Clock
from bot.jobs.hints import Topic
from bot.jobs.naps import nap
from bot.jobs.progressboard import fractions, json_object
from bot.jobs.records import StoreDownError
from bot.jobs.store.engine import Engine

log = logging.getLogger(__name__)

CHANNEL: Final = "comfycord"
TEST: Final = "test"
"""What a hint to ourselves is about."""
GAP = 0.02
"""Seconds between two transactions: what comes meanwhile goes together."""
PROGRESS_EVERY = 1.0
"""Seconds between two reports of progress."""
MOST = 1_000
"""Hints that wait to be sent; and jobs in reports of progress."""
LONGEST = 7_900
"""Bytes of one notification; PostgreSQL takes less than 8,000."""
TOGETHER = 100
"""Jobs in one report of progress."""
LAST_WORDS = 1.0
"""Seconds for what is still to be said at the end."""

SendThrough = Callable[[Sequence[str]], Awaitable[None]]
"""Notifies everybody of some payloads, in one transaction. May raise `StoreDownError`."""


class Mouth:
    """Says hints through an ordinary connection. `me` is what this process calls itself."""

    def __init__(self, *, send_through: SendThrough, clock: Clock, me: str) -> None:
        self._send_through = send_through
        self._clock = clock
        self._me = me
        self._waiting: dict[tuple[str, str], None] = {}
        self._progress: dict[str, float] = {}
        self._progress_at = float("-inf")
        self._something = asyncio.Event()

    def say(self, topic: Topic, payload: str) -> None:
        """Let everybody know, soon."""
        if topic is Topic.PROGRESS:
            self._progress |= fractions(payload)
            _forget_oldest(self._progress)
        else:
            self._waiting[topic, payload] = None
            _forget_oldest(self._waiting)
        self._something.set()

    async def test(self, word: str) -> bool:
        """Say something to ourselves; return whether it was said."""
        return await self._send([self._hint(TEST, word)])

    async def run(self) -> None:
        """Say what there is to say, for ever; the owner cancels this."""
        while True:
            while not self._is_due():
                self._something.clear()
                if self._progress:
                    await nap(self._clock, self._progress_in(), self._something)
                else:
                    await self._something.wait()
            await self._send(self._batch())
            await self._clock.sleep(GAP)

    async def close(self) -> None:
        """Say what is left."""
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._send(self._batch())
        except TimeoutError:
            log.debug("last hints were not sent in time")

    def _is_due(self) -> bool:
        return bool(self._waiting) or (bool(self._progress) and self._progress_in() <= 0)

    def _progress_in(self) -> float:
        return self._progress_at + PROGRESS_EVERY - self._clock.monotonic()

    def _batch(self) -> list[str]:
        said = [self._hint(topic, payload) for topic, payload in self._waiting]
        self._waiting.clear()
        if self._progress and self._progress_in() <= 0:
            said += [self._hint(Topic.PROGRESS, json.dumps(part)) for part in _parts(self._progress)]
            self._progress.clear()
            self._progress_at = self._clock.monotonic()
        return said

    def _hint(self, topic: str, payload: str) -> str:
        return json.dumps({"topic": topic, "payload": payload, "from": self._me})

    async def _send(self, hints: Sequence[str]) -> bool:
        short = [hint for hint in hints if len(hint) <= LONGEST]  # ASCII: JSON escapes everything else
        if len(short) < len(hints):
            log.warning("%d hints are too long, and not sent", len(hints) - len(short))
        try:
            if short:
                await self._send_through(short)
        except StoreDownError:
            log.debug("%d hints are lost: the database does not answer", len(short))
            return False
        return True


def through(engine: Engine) -> SendThrough:
    """Return how to notify everybody over the ordinary connections of a PostgreSQL."""

    async def send(payloads: Sequence[str]) -> None:
        values = {"channel": CHANNEL, "payloads": list(payloads)}
        try:
            await engine.write(lambda conn, _again: _notify(conn, values), single=True)
        except DBAPIError as error:
            raise StoreDownError from error

    return send


def _notify(conn: Connection, values: dict[str, Any]) -> None:
    conn.execute(_NOTIFY, values)


_NOTIFY: Final = sa.text("SELECT pg_notify(:channel, said) FROM unnest(:payloads) AS said").bindparams(
    sa.bindparam("payloads", type_=ARRAY(sa.Text))
)


def read(text: object) -> tuple[str, str, str] | None:
    """Return the sender, the topic and the payload of a hint; None when it is none of ours."""
    said = json_object(text)
    sender, topic, payload = (said.get(name) for name in ("from", "topic", "payload"))
    if not (isinstance(sender, str) and isinstance(topic, str) and isinstance(payload, str)):
        return None
    return (sender, topic, payload) if topic == TEST or topic in set(Topic) else None


def _parts(progress: Mapping[str, float]) -> Iterator[dict[str, float]]:
    entries = list(progress.items())
    for start in range(0, len(entries), TOGETHER):
        yield dict(entries[start : start + TOGETHER])


def _forget_oldest(entries: dict[Any, Any]) -> None:
    while len(entries) > MOST:
        del entries[next(iter(entries))]
