"""The result store on disk: keeps output files from the end of a run until some time after their delivery.

One folder per job, named by its id, written under a temporary name and then renamed, so that it is complete or absent.
Files are numbered and listed in an index, so that a name from a server never becomes a path.
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

from bot.jobs.repository import ResultStore
from bot.workflow.run.events import OutputFile, OutputRef

log = logging.getLogger(__name__)

INDEX = "index.json"
TEMPORARY_PREFIX = ".aside-"
"""Name prefix of folders that are being written or removed."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class FileResultStore:
    """A `ResultStore` in a folder. Its files survive a crash of the process.

    With `durable` they also survive a power cut a few milliseconds later. Callers do not wait for the fsync: damaged
    files are detected, and can be fetched from their server again.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        await asyncio.to_thread(self._put, job_id, files)
        if self._durable:
            asyncio.get_running_loop().run_in_executor(None, self._fsync, job_id)  # awaited when the loop shuts down

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        return await asyncio.to_thread(self._get, job_id)

    async def drop(self, job_id: str) -> None:
        await asyncio.to_thread(self._drop, job_id)

    async def older_than(self, time: float) -> Sequence[str]:
        return await asyncio.to_thread(self._older_than, time)

    async def clear_leftovers(self, before: float) -> None:
        await asyncio.to_thread(self._clear_leftovers, before)

    # ------------------------------------------------------------------ in a thread

    def _put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        target, aside = self._folder_of(job_id), self._temporary()
        aside.mkdir(parents=True)
        try:
            for number, file in enumerate(files):
                (aside / str(number)).write_bytes(file.data)
            (aside / INDEX).write_text(json.dumps([_index_entry(file) for file in files]), encoding="ascii")
            self._remove(target)
            aside.rename(target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _fsync(self, job_id: str) -> None:
        """Flush the files of a job to disk."""
        folder = self._folder_of(job_id)
        try:
            for path in (*folder.iterdir(), folder, self._folder):
                _fsync(path)
        except OSError as error:  # replaced or deleted meanwhile; a disk failure shows at the next write
            log.debug("the result of job %s was not flushed: %s", job_id, error)

    def _get(self, job_id: str) -> list[OutputFile]:
        try:
            folder = self._folder_of(job_id)
            index: list[dict[str, Any]] = json.loads((folder / INDEX).read_bytes())
            return [_read_file(folder / str(number), entry) for number, entry in enumerate(index)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the stored result of job %s cannot be used (%s)", job_id, error)
            return []

    def _drop(self, job_id: str) -> None:
        self._remove(self._folder_of(job_id))

    def _older_than(self, time: float) -> list[str]:
        return [path.name for path in self._paths() if _ID.fullmatch(path.name) and _is_older(path, time)]

    def _clear_leftovers(self, before: float) -> None:
        for path in self._paths():
            if path.name.startswith(TEMPORARY_PREFIX) and _is_older(path, before):
                shutil.rmtree(path, ignore_errors=True)

    # ------------------------------------------------------------------ folders

    def _paths(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []

    def _folder_of(self, job_id: str) -> Path:
        if not _ID.fullmatch(job_id):
            raise ValueError("not a job id")
        return self._folder / job_id

    def _temporary(self) -> Path:
        return self._folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"

    def _remove(self, path: Path) -> None:
        """Remove a folder atomically, as seen by readers."""
        aside = self._temporary()
        with suppress(FileNotFoundError):
            path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


class FallbackResultStore:
    """Writes to the first store, and reads and deletes in both."""

    def __init__(self, first: ResultStore, second: ResultStore) -> None:
        self._first = first
        self._second = second

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """Any earlier result in the second store is hidden by the new one and deleted with it."""
        await self._first.put(job_id, files)

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        return await self._first.get(job_id) or await self._second.get(job_id)

    async def drop(self, job_id: str) -> None:
        await self._first.drop(job_id)
        await self._second.drop(job_id)

    async def older_than(self, time: float) -> Sequence[str]:
        return sorted({*await self._first.older_than(time), *await self._second.older_than(time)})

    async def clear_leftovers(self, before: float) -> None:
        await self._first.clear_leftovers(before)
        await self._second.clear_leftovers(before)


def _fsync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk; Windows cannot do either for a file opened for reading."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _index_entry(file: OutputFile) -> dict[str, Any]:
    return {"ref": asdict(file.ref), "size": len(file.data), "crc": zlib.crc32(file.data)}


def _read_file(path: Path, entry: dict[str, Any]) -> OutputFile:
    data = path.read_bytes()
    if len(data) != entry["size"] or zlib.crc32(data) != entry["crc"]:
        raise ValueError("damaged file")
    return OutputFile(OutputRef(**entry["ref"]), data)


def _is_older(path: Path, time: float) -> bool:
    try:
        return path.stat().st_mtime < time
    except FileNotFoundError:
        return False
