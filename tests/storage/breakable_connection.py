"""A line to PostgreSQL that can be cut at the worst moments."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

COMMIT = b"COMMIT"
BIND = b"B"
"""Begins the message that has a statement carried out with its values."""
READY = b"Z\0\0\0\5"
"""Begins what a server says at the end of an answer; whether a transaction is open comes after it."""


class Talk:
    """What is known of one connection."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._in_transaction = False

    def commits(self, data: bytes) -> bool:
        """Return whether the client's words make something lasting: a COMMIT, or a statement that stands alone."""
        return COMMIT in data or (data.startswith(BIND) and not self._in_transaction)

    def hear(self, data: bytes) -> None:
        """Take note of what the server says."""
        if data[-6:-1] == READY:
            self._in_transaction = not data.endswith(b"I")


class Wire:
    """Passes bytes on to a server's socket; knows just enough of the protocol to see a change go by."""

    def __init__(self, socket: Path) -> None:
        self.url = ""
        """The address of its near end."""
        self._socket = socket
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut_commits = 0
        """How many of the next commits reach the server, whose answer is then lost with the connection."""
        self.speaks = asyncio.Event()
        """Nothing that the server says arrives while this is not set."""
        self.speaks.set()
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        there, back = await asyncio.open_unix_connection(str(self._socket))
        self._writers |= {writer, back}
        talk = Talk()
        up = asyncio.create_task(self._pass_up(reader, back, talk))
        down = asyncio.create_task(self._pass_down(there, writer, talk))
        self._tasks |= {up, down}
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        self._hang_up(writer, back)

    async def _pass_up(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, talk: Talk) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.cut_commits and talk.commits(data):
                    self.cut_commits -= 1
                    talk.lost.set()
                back.write(data)
                await back.drain()

    async def _pass_down(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, talk: Talk) -> None:
        with suppress(ConnectionError):
            while data := await there.read(65536):
                talk.hear(data)
                if talk.lost.is_set():
                    return
                await self.speaks.wait()
                writer.write(data)
                await writer.drain()

    def _hang_up(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            writer.close()

    async def cut(self) -> None:
        """Cut every connection that is there now."""
        self._hang_up(*self._writers)
        self._writers.clear()
        await asyncio.sleep(0)

    async def close(self) -> None:
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def wire_to(url: str) -> AsyncGenerator[Wire]:
    """Yield a wire to a server on a Unix socket."""
    parsed = sa.make_url(url)
    wire = Wire(Path(str(parsed.query["host"])) / ".s.PGSQL.5432")
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    near = sa.URL.create("postgresql", "postgres", host="127.0.0.1", port=port, database=parsed.database)
    try:
        wire.url = near.render_as_string(hide_password=False) + "?sslmode=disable"
        yield wire
    finally:
        server.close()
        await wire.close()
