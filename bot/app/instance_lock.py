"""A process id that survives restarts and that no other running process has.

It owns the leases in the database. A process that was killed and restarts on the same folder gets the same id, and so
its leases back immediately: the operating system released the file lock, which proves that the old process is gone.
Processes that share a folder have separate ids per role, so that each gets its own back, whichever starts first.
"""

import contextlib
import uuid
from collections.abc import Generator
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import StartupError
from bot.i18n import _

MAX_INSTANCES = 64
"""Processes of one role that can share a folder."""
_NAMES = {"all": "instance"}
"""File names of roles, if they differ from the role's name."""


@contextlib.contextmanager
def acquire_instance_id(folder: Path, role: str = "all") -> Generator[str]:
    """Hold an id while the context lasts. Writes a few small files at once, so that no cut-short start keeps a lock.

    Raises `StartupError` if the folder can't be written or has no free id.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _free_place(folder, _NAMES.get(role, role))
        owner = _read_or_make(Path(lock.lock_file).with_suffix(".id"))
    except OSError as error:
        raise StartupError(
            _("Can't write to {folder}: {reason}. Check its owner, or set DATA_DIR to another folder.",
              folder=str(folder), reason=error.strerror or str(error))
        ) from error  # fmt: skip
    try:
        yield owner
    finally:
        lock.release()


def _free_place(folder: Path, name: str) -> FileLock:
    for number in range(1, MAX_INSTANCES + 1):
        # The context may end in a different thread
        lock = FileLock(folder / f"{name}-{number}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    raise StartupError(
        _("{count} bot processes are already using {folder}, which is the maximum. Give this one its own DATA_DIR.",
          count=MAX_INSTANCES, folder=str(folder))
    )  # fmt: skip


def _read_or_make(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return str(uuid.UUID(file.read_text(encoding="ascii").strip()))
    owner = str(uuid.uuid4())
    partial = file.with_suffix(".part")
    partial.write_text(owner, encoding="ascii")
    partial.replace(file)
    return owner
