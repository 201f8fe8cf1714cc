"""`python -m bot copy`: copies everything into another, empty database.

The source stays unchanged. No process may use either of them meanwhile; see `bot.storage.copy`.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from bot.app.resources import RESULTS
from bot.clock import Clock, SystemClock
from bot.errors import StartupError
from bot.i18n import _, n_
from bot.jobs.delivery.result_files import FileResultStore
from bot.log import configure_logging
from bot.settings import Settings, load_settings
from bot.storage import database_url
from bot.storage.copy import DatabaseCopy, Say
from bot.storage.database import Database, open_database
from bot.workflow.run.events import OutputFile

EVER: Final = float("inf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="URL", help="URL of the new database, as in DATABASE_URL")
    parser.add_argument("--without-results", action="store_true", help="don't copy the results in DATA_DIR")


def run(arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    copier = DatabaseCopier(load_settings(), clock=SystemClock(), say=lambda line: print(line, file=sys.stderr))
    for line in asyncio.run(copier.copy(arguments.to, with_results=not arguments.without_results)):
        print(line)
    return 0


class DatabaseCopier:
    """Copies the database of the settings to another URL; `say` gets progress reports."""

    def __init__(self, settings: Settings, *, clock: Clock, say: Say) -> None:
        self._settings = settings
        self._source = settings.database_url.get_secret_value()
        self._clock = clock
        self._say = say

    async def copy(self, to: str, *, with_results: bool) -> Sequence[str]:
        """Copy and return the lines to print. Raises `StartupError` if that is impossible.

        `with_results`: also copy the results in DATA_DIR if the new database is PostgreSQL.
        """
        await asyncio.to_thread(_check_addresses, self._source, to)
        async with self._opened(self._source) as source, self._opened(to, unfinished=True) as target:
            copy = DatabaseCopy(source.engine, target.engine, clock=self._clock, say=self._say)
            async with copy.started():
                rows = await copy.tables()
                results = await self._results(copy, target) if with_results and target.is_shared else 0
        return _report(rows, results)

    @asynccontextmanager
    async def _opened(self, url: str, *, unfinished: bool = False) -> AsyncGenerator[Database]:
        database = await open_database(
            url, synchronous=self._settings.database_synchronous, unfinished=unfinished, clock=self._clock.now
        )
        try:
            yield database
        finally:
            await database.close()

    async def _results(self, copy: DatabaseCopy, target: Database) -> int:
        """Copy the results on disk into the database; return the number of jobs."""
        folder = FileResultStore(self._settings.data_dir / RESULTS, durable=False)
        copied = 0
        for job_id in await folder.older_than(EVER):
            files = await folder.get(job_id)
            if files and await target.jobs.get(job_id) is not None:
                await self._put(target, job_id, files)
                copied += 1
                await copy.beat(n_("results of {count} job", "results of {count} jobs", copied))
        return copied

    async def _put(self, target: Database, job_id: str, files: Sequence[OutputFile]) -> None:
        try:
            await target.results.put(job_id, files)
        except OSError as error:
            raise StartupError(
                _("Can't copy the result of job {job} ({reason}). Try again, or skip all results with "
                  "--without-results.", job=job_id, reason=str(error))
            ) from error  # fmt: skip


def _check_addresses(source: str, to: str) -> None:
    """Raise `StartupError` for URLs that can't be copied between, before either is opened."""
    ours, theirs = database_url.parse(source), _parsed(to)
    if _identity(ours) == _identity(theirs):
        raise StartupError(_("--to is the current database (DATABASE_URL). Give the URL of an empty one."))
    file = _file(ours)
    if file is not None and not file.exists():
        raise StartupError(_("Nothing to copy: {file} does not exist. Check DATABASE_URL.", file=str(file)))


def _parsed(to: str) -> URL:
    try:
        return database_url.parse(to)
    except StartupError:
        raise StartupError(
            _("--to is not a valid database URL. Use postgresql://user:password@host/name, or "
              "sqlite:///data/other.db for a file.")
        ) from None  # fmt: skip


def _identity(url: URL) -> object:
    """Return a key that is equal for two URLs of one database, as far as URLs can tell."""
    file = _file(url)
    return (url.host, url.port, url.database, url.query.get("host")) if file is None else file.resolve()


def _file(url: URL) -> Path | None:
    """Return the file of a database; None for PostgreSQL. Raises `StartupError` for one in memory."""
    if database_url.is_shared(url):
        return None
    file = database_url.file_of(url)
    if file is None:
        raise StartupError(_("In-memory databases can't be copied. Use a file or PostgreSQL."))
    return file


def _report(rows: Mapping[str, int], results: int) -> list[str]:
    copied = {**rows, **({"results of jobs": results} if results else {})}
    width = max(map(len, copied))
    lines = [f"{name:<{width}}  {number}" for name, number in copied.items() if number]
    return [*lines, str(_("Copied everything. Set DATABASE_URL to the new database and start the bot."))]
