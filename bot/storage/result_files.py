"""Results in the database, for gateways and workers on several machines.

Files are stored in pieces, each written and read in its own transaction, because a database call has a time limit.
Every row is labelled with the `put` it belongs to; the result is the newest complete put. So a result is there as a
whole or not at all, and the previous one stays until then.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.repository import DatabaseUnavailableError
from bot.storage.engine.base import Engine
from bot.storage.engine.dialect import insert
from bot.storage.schema.tables import job as jobs
from bot.storage.schema.tables import result_file as results
from bot.workflow.run.events import OutputFile, OutputRef

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 8 * 1024 * 1024
"""Bytes per row and transaction: one second on a slow connection. Most results are smaller."""
READ_TRIES: Final = 3
"""Attempts to read a result that is being replaced meanwhile."""


@dataclass(frozen=True, slots=True)
class _Label:
    """Describes a row; stored as JSON in the column `ref`."""

    put: str
    """Id of the put."""
    pieces: int
    """Number of pieces of the whole put."""
    file: int
    """Number of the file."""
    ref: tuple[str, str, str, str]

    def dump(self) -> str:
        return json.dumps(astuple(self), separators=(",", ":"))

    @classmethod
    def load(cls, stored: str) -> Self:
        """Raise `ValueError` or `TypeError` for what `dump` did not write."""
        put, pieces, file, (node_id, filename, subfolder, folder) = json.loads(stored)
        return cls(put, pieces, file, (node_id, filename, subfolder, folder))


_Row = tuple[int, str, bytes | memoryview]
"""Number, label and data of one row."""


class SqlResultStore:
    """A `ResultStore` in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        try:
            start = await self._engine.read(lambda conn: _next_number(conn, job_id))
            for rows in _batches(_rows(files, start)):
                await self._write(job_id, rows)
            await self._engine.write(lambda conn, _again: _drop(conn, job_id, below=start), single=True)
        except DatabaseUnavailableError as error:
            raise OSError("the database is unavailable") from error

    async def _write(self, job_id: str, rows: Sequence[_Row]) -> None:
        await self._engine.write(lambda conn, _again: _write(conn, job_id, rows), single=len(rows) == 1)

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        for _turn in range(READ_TRIES):
            index = await self._engine.read(lambda conn: _index(conn, job_id))
            files = await self._files(job_id, index)
            if files is not None:
                return files
        return []

    async def _files(self, job_id: str, index: Sequence[tuple[int, _Label]]) -> list[OutputFile] | None:
        """Return the files of an index; None if they were replaced meanwhile."""
        pieces: dict[int, list[bytes]] = {}
        refs: dict[int, OutputRef] = {}
        for number, label in index:
            data = await self._piece(job_id, number, label)
            if data is None:
                return None
            pieces.setdefault(label.file, []).append(data)
            refs[label.file] = OutputRef(*label.ref)
        return [OutputFile(ref, _joined(pieces.pop(file))) for file, ref in refs.items()]

    async def _piece(self, job_id: str, number: int, label: _Label) -> bytes | None:
        return await self._engine.read(lambda conn: _read(conn, job_id, number, label.dump()))

    async def drop(self, job_id: str) -> None:
        await self._engine.write(lambda conn, _again: _drop(conn, job_id), single=True)

    async def older_than(self, time: float) -> Sequence[str]:
        """Return the ids of jobs with stored files that ended before `time` or no longer exist."""
        return await self._engine.read(lambda conn: _older_than(conn, time))

    async def clear_leftovers(self, before: float) -> None:
        """Do nothing: leftovers of a crash are deleted with their job, or by its next `put`."""


# ------------------------------------------------------------------ pieces


def _rows(files: Sequence[OutputFile], start: int) -> Iterator[_Row]:
    """Yield the rows to write. Pieces of a large file are views, not copies."""
    put, pieces = uuid.uuid4().hex, sum(len(_offsets(file.data)) for file in files)
    number = start
    for place, file in enumerate(files):
        ref = file.ref
        label = _Label(put, pieces, place, (ref.node_id, ref.filename, ref.subfolder, ref.folder)).dump()
        for offset in _offsets(file.data):
            is_whole = len(file.data) <= PIECE_BYTES
            yield number, label, file.data if is_whole else memoryview(file.data)[offset : offset + PIECE_BYTES]
            number += 1


def _offsets(data: bytes) -> range:
    """Return the offsets of the pieces; an empty file has one."""
    return range(0, max(1, len(data)), PIECE_BYTES)


def _batches(rows: Iterator[_Row]) -> Iterator[Sequence[_Row]]:
    """Group rows into transactions of at most one piece's size."""
    batch: list[_Row] = []
    for row in rows:
        if batch and sum(len(data) for _number, _label, data in (*batch, row)) > PIECE_BYTES:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _joined(pieces: list[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


# ------------------------------------------------------------------ transactions


def _next_number(conn: Connection, job_id: str) -> int:
    last = sa.select(sa.func.max(results.c.number)).where(results.c.job_id == job_id)
    found = conn.scalar(last)
    return 0 if found is None else found + 1


def _write(conn: Connection, job_id: str, rows: Sequence[_Row]) -> None:
    entry = insert(conn.dialect.name, results)
    entry = entry.on_conflict_do_update(
        index_elements=[results.c.job_id, results.c.number],
        set_={"ref": entry.excluded.ref, "data": entry.excluded.data},
    )
    for number, label, data in rows:
        conn.execute(entry, {"job_id": job_id, "number": number, "ref": label, "data": data})


def _index(conn: Connection, job_id: str) -> list[tuple[int, _Label]]:
    """Return the rows of the newest complete put."""
    query = sa.select(results.c.number, results.c.ref).where(results.c.job_id == job_id).order_by(results.c.number)
    puts: dict[str, list[tuple[int, _Label]]] = {}
    for number, stored in conn.execute(query):
        try:
            label = _Label.load(stored)
        except (ValueError, TypeError):
            log.warning("can't read row %d of the result of job %s", number, job_id)
            continue
        puts.setdefault(label.put, []).append((number, label))
    whole = [rows for rows in puts.values() if len(rows) == rows[0][1].pieces]
    return whole[-1] if whole else []


def _read(conn: Connection, job_id: str, number: int, label: str) -> bytes | None:
    this = (results.c.job_id == job_id, results.c.number == number, results.c.ref == label)
    return conn.scalar(sa.select(results.c.data).where(*this))


def _drop(conn: Connection, job_id: str, *, below: int | None = None) -> None:
    these = sa.delete(results).where(results.c.job_id == job_id)
    conn.execute(these if below is None else these.where(results.c.number < below))


def drop_all(conn: Connection, job_ids: Sequence[str]) -> None:
    conn.execute(sa.delete(results).where(results.c.job_id.in_(job_ids)))


def _older_than(conn: Connection, time: float) -> Sequence[str]:
    forgotten = jobs.c.id.is_(None)
    ended = sa.and_(jobs.c.finished != 0.0, jobs.c.finished < time)
    both = results.outerjoin(jobs, jobs.c.id == results.c.job_id)
    query = sa.select(results.c.job_id).distinct().select_from(both).where(sa.or_(forgotten, ended))
    return conn.scalars(query).all()
