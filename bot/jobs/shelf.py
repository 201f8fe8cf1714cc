"""Results as files, from the end of a run until they are delivered, and for a while after it.

One folder for each job, named by its id, written aside and then renamed: it is there whole or not at all. The files in
it are numbered and described by an index, so that a name from a server never becomes a path. Knows no job and no
database; whose results may go is for `bot.jobs.janitor` to say.
"""

import asyncio
import json
import logging
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.workflow.execution import OutputFile, OutputRef

log = logging.getLogger(__name__)

INDEX = "index.json"
ASIDE = ".aside-"
"""Begins the names of folders that are being written or removed."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class DiskShelf:
    """A `Shelf` in a folder, which outlives a crash of the process at once.

    With `durable` it outlives a power cut, too, a few milliseconds later: nobody waits for the disk, because what a cut
    leaves damaged is noticed, and can be fetched from its server again.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """See `Shelf.put`."""
        await asyncio.to_thread(self._put, job_id, files)
        if self._durable:
            asyncio.get_running_loop().run_in_executor(None, self._settle, job_id)  # the loop waits for it at its end

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        """See `Shelf.get`."""
        return await asyncio.to_thread(self._get, job_id)

    async def drop(self, job_id: str) -> None:
        """See `Shelf.drop`."""
        await asyncio.to_thread(self._drop, job_id)

    async def older_than(self, time: float) -> Sequence[str]:
        """Return the ids of jobs whose files were put here before `time`, in seconds since the epoch."""
        return await asyncio.to_thread(self._older_than, time)

    async def clear_remains(self, before: float) -> None:
        """Remove what a crash left half-written or half-removed before a time."""
        await asyncio.to_thread(self._clear_remains, before)

    # ------------------------------------------------------------------ in a thread

    def _put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        target, aside = self._place(job_id), self._aside()
        aside.mkdir(parents=True)
        try:
            for number, file in enumerate(files):
                (aside / str(number)).write_bytes(file.data)
            (aside / INDEX).write_text(json.dumps([_entry(file) for file in files]), encoding="ascii")
            self._remove(target)
            aside.rename(target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _settle(self, job_id: str) -> None:
        """Wait until the disk has the files of a job."""
        folder = self._place(job_id)
        try:
            for path in (*folder.iterdir(), folder, self._folder):
                _sync(path)
        except OSError as error:  # replaced or dropped meanwhile, or the disk fails, which the next one will tell
            log.debug("the result of job %s is not settled: %s", job_id, error)

    def _get(self, job_id: str) -> list[OutputFile]:
        try:
            folder = self._place(job_id)
            index: list[dict[str, Any]] = json.loads((folder / INDEX).read_bytes())
            return [_read(folder / str(number), entry) for number, entry in enumerate(index)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept result of job %s cannot be used (%s)", job_id, error)
            return []

    def _drop(self, job_id: str) -> None:
        self._remove(self._place(job_id))

    def _older_than(self, time: float) -> list[str]:
        return [path.name for path in self._paths() if _ID.fullmatch(path.name) and _is_older(path, time)]

    def _clear_remains(self, before: float) -> None:
        for path in self._paths():
            if path.name.startswith(ASIDE) and _is_older(path, before):
                shutil.rmtree(path, ignore_errors=True)

    # ------------------------------------------------------------------ folders

    def _paths(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []

    def _place(self, job_id: str) -> Path:
        if not _ID.fullmatch(job_id):
            raise ValueError("not an id of a job")
        return self._folder / job_id

    def _aside(self) -> Path:
        return self._folder / f"{ASIDE}{uuid.uuid4().hex}"

    def _remove(self, path: Path) -> None:
        """Remove a folder in one step for whoever looks."""
        aside = self._aside()
        with suppress(FileNotFoundError):
            path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable; Windows does neither for what is open for reading."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(file: OutputFile) -> dict[str, Any]:
    return {"ref": asdict(file.ref), "size": len(file.data), "crc": zlib.crc32(file.data)}


def _read(path: Path, entry: dict[str, Any]) -> OutputFile:
    data = path.read_bytes()
    if len(data) != entry["size"] or zlib.crc32(data) != entry["crc"]:
        raise ValueError("a file is damaged")
    return OutputFile(OutputRef(**entry["ref"]), data)


def _is_older(path: Path, time: float) -> bool:
    try:
        return path.stat().st_mtime < time
    except FileNotFoundError:
        return False
