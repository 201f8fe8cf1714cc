"""`python -m bot import`: drafts a graph and manifest for each file and adds them to the workflow folder.

A rejected file prints one line, and the others continue. Nothing is ever overwritten, no half of a pair is left.
"""

import argparse
import asyncio
import gzip
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import SystemRandom

from bot.clock import SystemClock
from bot.comfy.fleet import Fleet
from bot.errors import BotError, InputError
from bot.i18n import _
from bot.log import configure_logging
from bot.settings import Settings, load_settings
from bot.workflow.graph.definitions import Definitions
from bot.workflow.importer.add import (
    KnownNodes,
    add,
    described,
    draft_file,
)
from bot.workflow.importer.any_file import MAX_PICTURE, needs_definitions
from bot.workflow.importer.draft import Draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.json_access import load, mapping
from bot.workflow.text_format import shown

MAX_OBJECT_INFO = 128 * 1024 * 1024
"""Bytes when unpacked; a server with hundreds of packs has about 20 MB."""

Ask = Callable[[], KnownNodes]
Say = Callable[[str], None]
"""Takes one line for the terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="API exports, saved workflows, or images")
    parser.add_argument("--into", type=Path, metavar="DIR", help="folder for the new command (default: WORKFLOWS_DIR)")
    parser.add_argument(
        "--object-info",
        type=Path,
        metavar="FILE",
        help="a saved /object_info response, .json or .json.gz (default: ask the servers)",
    )


def run(arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    settings = load_settings()
    saved: Path | None = arguments.object_info
    known = known_from_file(saved) if saved else None
    importer = WorkflowImporter(
        arguments.into or settings.workflows_dir,
        lambda: known or known_from_servers(settings),
        say=lambda line: print(line),
        complain=lambda line: print(line, file=sys.stderr),
    )
    return 1 if importer.run(arguments.files) else 0


class WorkflowImporter:
    """Imports files into one folder. `say` gets the results, `complain` one line for each rejected file."""

    def __init__(self, into: Path, ask: Ask, *, say: Say, complain: Say) -> None:
        self._into = into
        self._ask = ask
        self._known: KnownNodes | None = None
        self._say = say
        self._complain = complain

    def run(self, files: Sequence[Path]) -> int:
        """Import every file and return how many were rejected."""
        return sum(0 if self._import(file) else 1 for file in files)

    def _import(self, file: Path) -> bool:
        try:
            made, export = self._drafted(file)
            written = add(self._into, made, export)
        except WorkflowImportError as error:
            reasons = " ".join(str(problem.reason) for problem in error.problems)
            self._complain(f"{shown(file.name)}: {reasons}")
        except BotError as error:
            self._complain(f"{shown(file.name)}: {error.user_message}")
        else:
            for line in (f"{shown(file.name)} → {', '.join(map(str, written))}", *described(made)):
                self._say(line)
            return True
        return False

    def _drafted(self, file: Path) -> tuple[Draft, bytes | None]:
        data = _read(file, MAX_PICTURE)
        needs_definitions(data)  # reject unreadable files before asking any server
        if self._known is None:
            self._known = self._ask()
        return draft_file(data, file.stem, self._known)


# ------------------------------------------------------------------ node definitions


def known_from_file(file: Path) -> KnownNodes:
    """Read a saved `/object_info`, gzipped or not. Raises `InputError`."""
    packed = _read(file, MAX_OBJECT_INFO)
    object_info = mapping(load(_unpacked(packed, file) if packed.startswith(b"\x1f\x8b") else packed))
    definitions = Definitions.parse(object_info)
    if not any(node.inputs for node in definitions.nodes.values()):
        raise InputError(_("{file} isn't a saved response of http://…:8188/object_info.", file=shown(file.name)))
    return KnownNodes(dict(object_info), definitions)


def known_from_servers(settings: Settings) -> KnownNodes:
    """Ask the servers of COMFYUI_URLS; those that do not answer are skipped."""
    return asyncio.run(_asked(settings))


async def _asked(settings: Settings) -> KnownNodes:
    fleet = Fleet.of(settings.comfyui_urls, clock=SystemClock(), random=SystemRandom())
    try:
        return KnownNodes.of(await fleet.object_infos())
    finally:
        await fleet.close()


def _unpacked(packed: bytes, file: Path) -> bytes:
    try:
        with gzip.open(file, "rb") as stream:
            data = stream.read(MAX_OBJECT_INFO + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(_("{file} is damaged: it cannot be unpacked.", file=shown(file.name))) from error
    if len(data) > MAX_OBJECT_INFO:
        raise InputError(_("{file} is too large.", file=shown(file.name)))
    return data


# ------------------------------------------------------------------ files


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise InputError(_("cannot be read: {reason}.", reason=error.strerror or type(error).__name__)) from error
    if len(data) > limit:
        raise InputError(_("is too large: files can have up to {limit} MiB.", limit=limit // 2**20))
    if not data:
        raise InputError(_("is empty."))
    return data
