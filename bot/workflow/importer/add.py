"""Writes a drafted pair of graph and manifest into the workflow folder, and describes it.

Does file I/O, so keep it off the event loop. Nothing is ever overwritten, and no half of a pair is left.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.importer.any_file import needs_definitions, read_any
from bot.workflow.importer.draft import Draft, draft
from bot.workflow.manifest.options import Option
from bot.workflow.text_format import shown, tidy

ObjectInfo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KnownNodes:
    """Node definitions from ComfyUI servers or a saved `/object_info`; empty when there are none."""

    object_info: ObjectInfo
    definitions: Definitions

    @classmethod
    def of(cls, answers: Sequence[Mapping[str, Any]]) -> Self:
        """Merge the answers of several servers; the first server wins where they differ."""
        together: ObjectInfo = {}
        for answer in reversed(answers):
            together |= answer
        return cls(together, Definitions.merged([Definitions.parse(answer) for answer in answers]))


def draft_file(data: bytes, name: str, known: KnownNodes) -> tuple[Draft, bytes | None]:
    """Return the draft of a file, and its content when it is an API export that can be stored unchanged.

    Takes up to a second. Raises `WorkflowImportError`, and `InputError` for a UI-format file without definitions.
    """
    if not known.object_info and needs_definitions(data):
        raise InputError(
            _(
                "is a UI-format workflow; converting it needs a running ComfyUI server"
                " (or `--object-info FILE` on the command line)."
            )
        )
    brought = read_any(data, known.object_info)
    made = draft(brought.graph, known.definitions, document=brought.document, name=name)
    notes = (*brought.notes, *(() if known.object_info else (_unknown(),)), *made.notes)
    return replace(made, notes=notes), brought.export


def _unknown() -> Message:
    return _("No ComfyUI server reachable: types and limits are guesses. Run `check --online` later.")


def add(folder: Path, made: Draft, export: bytes | None) -> list[Path]:
    """Write the pair and return its files. Raises `InputError` when one of them already exists."""
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
    """Whether this graph is already in the folder, put there by hand without a manifest."""
    return file.is_file() and not file.is_symlink() and file.read_bytes() == content


def _write(file: Path, content: bytes) -> None:
    """Write a file completely or not at all; the leading dot hides it from the catalog until it is complete."""
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
    except OSError as error:  # the file system has no hard links
        if file.exists() or file.is_symlink():
            raise _is_there(file) from error
        half.rename(file)


def _is_there(file: Path) -> InputError:
    return InputError(
        _("{file} already exists and was not overwritten. Rename or move one of the two.", file=str(file))
    )


def described(made: Draft) -> Iterator[str]:
    """Yield lines about the proposed command: its options, then notes and warnings."""
    yield f"  /{made.name}: {made.workflow.manifest.description}"
    options = made.workflow.manifest.ordered_options()
    width = max((len(name) for name, _option in options), default=0)
    for name, option in options:
        yield f"    {name:<{width}}  {option.kind:<8} {_unsaid(made, name, option)}".rstrip()
    for note in made.notes:
        yield f"  - {one_line(note)}"
    for warning in made.warnings:
        yield f"  ! {one_line(warning)}"


def _unsaid(made: Draft, name: str, option: Option) -> str:
    """Return the value used when a member leaves an option out, and its limits."""
    limits = ""
    if option.minimum is not None and option.maximum is not None:
        limits = f" ({tidy(option.minimum)} to {tidy(option.maximum)})"
    if option.required:
        return str(_("required")) + limits
    if option.kind == "seed":
        return str(_("random"))
    value = option.default if option.default is not None else (made.workflow.own_value(name) if option.bind else "")
    text = tidy(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return f"{shown(text, 50)}{limits}"


def one_line(message: Message) -> str:
    return " ".join(str(message).split())
