"""`python -m bot import`: drafts a workflow pair for each file, and puts it beside the other workflows.

A file that cannot be used is one line, and the others go on. Nothing is ever overwritten, no half of a pair is left.
"""

import asyncio
import gzip
import json
import os
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom
from tempfile import NamedTemporaryFile
from typing import Any

from bot.clock import SystemClock
from bot.comfy.fleet import Fleet
from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.settings import Settings
from bot.workflow.definitions import Definitions
from bot.workflow.importer.anyfile import MAX_PICTURE, needs_definitions, read_any
from bot.workflow.importer.draft import Draft, draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.options import Option
from bot.workflow.shapes import load, mapping
from bot.workflow.values import tidy
from bot.workflow.wording import shown

ASK_TIMEOUT = 15.0
"""Seconds for a server to list its nodes."""

MAX_OBJECT_INFO = 128 * 1024 * 1024
"""Bytes, unpacked; a server with hundreds of packs has some 20 MB."""

ObjectInfo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What servers, or a file that one of them filled, say about their nodes; empty when nobody did."""

    object_info: ObjectInfo
    definitions: Definitions


Ask = Callable[[], Known]
Say = Callable[[str], None]
"""Takes one line for the terminal."""


class ImportCommand:
    """Imports files into one folder. `say` gets what was made, `complain` one line for each file that was refused."""

    def __init__(self, into: Path, ask: Ask, *, say: Say, complain: Say) -> None:
        self._into = into
        self._ask = ask
        self._known: Known | None = None
        self._say = say
        self._complain = complain

    def run(self, files: Sequence[Path]) -> int:
        """Import every file and return how many were refused."""
        return sum(0 if self._import(file) else 1 for file in files)

    def _import(self, file: Path) -> bool:
        try:
            made, export = self._drafted(file)
            written = _add(self._into, made, export)
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
        if self._known is None:
            self._known = self._ask()
        if needs_definitions(data) and not self._known.object_info:
            raise InputError(
                _(
                    "is in the format of ComfyUI's editor, which needs the definitions of its nodes, and no server of"
                    " COMFYUI_URLS answers. Start ComfyUI, or name a saved /object_info with --object-info."
                )
            )
        brought = read_any(data, self._known.object_info)
        made = draft(brought.graph, self._known.definitions, document=brought.document, name=file.stem)
        notes = (*brought.notes, *(() if self._known.object_info else (_unknown(),)), *made.notes)
        return replace(made, notes=notes), brought.export


def _unknown() -> Message:
    return _("No server told what its nodes take: kinds and limits are guesses. Run the check when one is there.")


# ------------------------------------------------------------------ what is known of nodes


def known_from_file(file: Path) -> Known:
    """Read a saved `/object_info`, packed or not. Raises `InputError`."""
    packed = _read(file, MAX_OBJECT_INFO)
    object_info = mapping(load(_unpacked(packed, file) if packed.startswith(b"\x1f\x8b") else packed))
    definitions = Definitions.parse(object_info)
    if not any(node.inputs for node in definitions.nodes.values()):
        raise InputError(
            _("{file} is no saved /object_info. Save the answer of http://…:8188/object_info.", file=shown(file.name))
        )
    return Known(dict(object_info), definitions)


def known_from_servers(settings: Settings) -> Known:
    """Ask the servers of COMFYUI_URLS; those that do not answer are left out."""
    return asyncio.run(_asked(settings))


async def _asked(settings: Settings) -> Known:
    fleet = Fleet.of(settings.comfyui_urls, clock=SystemClock(), random=SystemRandom())
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_object_info(server.client.object_info())) for server in fleet.servers]
    finally:
        await fleet.close()
    answers = [answer for task in tasks if (answer := task.result())]
    together: ObjectInfo = {}
    for answer in reversed(answers):
        together |= answer
    return Known(together, Definitions.merged([Definitions.parse(answer) for answer in answers]))


async def _object_info(asking: Awaitable[Mapping[str, Any]]) -> ObjectInfo:
    try:
        async with asyncio.timeout(ASK_TIMEOUT):
            return dict(await asking)
    except (TimeoutError, BotError):
        return {}


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
        raise InputError(_("is too large: a file may have {limit} MiB.", limit=limit // 2**20))
    if not data:
        raise InputError(_("is empty."))
    return data


def _add(folder: Path, made: Draft, export: bytes | None) -> list[Path]:
    """Write the pair, and return its files. Raises `InputError` when one of them is there already."""
    graph, manifest = folder / f"{made.name}.json", folder / f"{made.name}.toml"
    content = export or (json.dumps(made.graph, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if manifest.exists() or manifest.is_symlink():
            raise _is_there(manifest)
        is_new = not _holds(graph, content)
        if is_new:
            _write(graph, content)
        try:
            _write(manifest, made.manifest.encode())
        except BaseException:
            if is_new:
                graph.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(_("cannot be written to {folder}: {reason}.", folder=str(folder), reason=reason)) from error
    return [graph, manifest]


def _holds(file: Path, content: bytes) -> bool:
    """Whether the graph was put there by hand, and only lacks its manifest."""
    return file.is_file() and not file.is_symlink() and file.read_bytes() == content


def _write(file: Path, content: bytes) -> None:
    """Put a whole file into place, or none; a name that begins with a dot is no workflow meanwhile."""
    with NamedTemporaryFile(dir=file.parent, prefix=".import-", delete=False) as stream:
        half = Path(stream.name)
        try:
            stream.write(content)
            stream.close()
            half.chmod(0o644)
            _put(half, file)
        finally:
            stream.close()
            half.unlink(missing_ok=True)


def _put(half: Path, file: Path) -> None:
    try:
        os.link(half, file)
    except FileExistsError as error:
        raise _is_there(file) from error
    except OSError as error:  # a file system without links
        if file.exists() or file.is_symlink():
            raise _is_there(file) from error
        half.rename(file)


def _is_there(file: Path) -> InputError:
    return InputError(
        _(
            "{file} is there already, and nothing is overwritten. Rename one of the two, or move it away.",
            file=str(file),
        )
    )


# ------------------------------------------------------------------ what is said about a draft


def described(made: Draft) -> Iterator[str]:
    """Yield the proposed command as people see it, then what they should know about it."""
    yield f"  /{made.name}: {made.workflow.manifest.description}"
    options = made.workflow.manifest.ordered_options()
    width = max((len(name) for name, _option in options), default=0)
    for name, option in options:
        yield f"    {name:<{width}}  {option.kind:<8} {_unsaid(made, name, option)}".rstrip()
    for note in made.notes:
        yield f"  - {_one_line(note)}"
    for warning in made.warnings:
        yield f"  ! {_one_line(warning)}"


def _unsaid(made: Draft, name: str, option: Option) -> str:
    """Say what is used when a member leaves an option alone, and what may be given."""
    limits = ""
    if option.minimum is not None and option.maximum is not None:
        limits = f" ({tidy(option.minimum)} to {tidy(option.maximum)})"
    if option.required:
        return str(_("needed")) + limits
    if option.kind == "seed":
        return str(_("random"))
    value = option.default if option.default is not None else (made.workflow.own_value(name) if option.bind else "")
    text = tidy(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return f"{shown(text, 50)}{limits}"


def _one_line(message: Message) -> str:
    return " ".join(str(message).split())
