"""Who this process is: an identity that survives its restarts, and that no other living process has.

Leases in the database are held under it. A process that was killed and starts again on the same folder is the same
instance, so it has its leases back at once: the operating system let go of the file lock when the old process ended,
which proves that nobody else works under that name. Processes that share the folder are told apart by their roles, so
that each has its own back, whichever starts first.
"""

import contextlib
import uuid
from collections.abc import Generator
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import StartupError
from bot.i18n import _

MAX_INSTANCES = 64
"""Processes of one role that share one folder."""


_NAMES = {"all": "instance"}
"""How the files of a role are called, if not by its name."""


@contextlib.contextmanager
def claimed_instance(folder: Path, role: str = "all") -> Generator[str]:
    """Be an instance for as long as the context lasts, and give its id; writes files, so call it off the event loop.

    Raises `StartupError` when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _free_place(folder, _NAMES.get(role, role))
        owner = _read_or_make(Path(lock.lock_file).with_suffix(".id"))
    except OSError as error:
        raise StartupError(
            _("DATA_DIR: {folder} cannot be written ({reason}).", folder=str(folder), reason=error.strerror or "")
        ) from error
    try:
        yield owner
    finally:
        lock.release()


def _free_place(folder: Path, name: str) -> FileLock:
    for number in range(1, MAX_INSTANCES + 1):
        # The context ends in another thread than the one that began it, perhaps
        lock = FileLock(folder / f"{name}-{number}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock
    raise StartupError(_("DATA_DIR: too many processes work in {folder}.", folder=str(folder)))


def _read_or_make(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return str(uuid.UUID(file.read_text(encoding="ascii").strip()))
    owner = str(uuid.uuid4())
    partial = file.with_suffix(".part")
    partial.write_text(owner, encoding="ascii")
    partial.replace(file)
    return owner
