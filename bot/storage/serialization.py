"""JSON forms of runs, messages, outputs and follow-up messages. Knows no database.

JSON is ASCII with escapes, so that zero bytes and lone surrogates, which a member may paste, never reach a database.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from bot.i18n import Message
from bot.jobs.job import FollowupMessage
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import InputFile, OutputRef
from bot.workflow.run.needs import Needs
from bot.workflow.run.spec import NextStep, RunSpec, Upload


def dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


# ------------------------------------------------------------------ values and messages


def _plain(value: object) -> object:
    """Return a JSON form that `_value` reverses; objects mark values that are not plain."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Message):
        return {"message": _plain_message(value)}
    if isinstance(value, Mapping):
        return {"map": {str(key): _plain(entry) for key, entry in cast("Mapping[object, object]", value).items()}}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(entry) for entry in cast("Sequence[object]", value)]
    return str(value)


def _plain_message(message: Message) -> dict[str, object]:
    values = {name: _plain(value) for name, value in message.values.items()}
    plain: dict[str, object] = {"text": message.text, "values": values}
    if message.plural is not None:
        plain |= {"plural": message.plural, "count": message.count}
    return plain


def _value(plain: Any) -> object:
    if isinstance(plain, list):
        return [_value(entry) for entry in cast("list[Any]", plain)]
    if not isinstance(plain, dict):
        return plain
    marked = cast("dict[str, Any]", plain)
    if "message" in marked:
        return _message(marked["message"])
    return {key: _value(entry) for key, entry in marked["map"].items()}


def _message(plain: dict[str, Any]) -> Message:
    values = {str(name): _value(value) for name, value in plain["values"].items()}
    return Message(plain["text"], values, plain.get("plural"), plain.get("count", 1))


def dump_message(message: Message | None) -> str | None:
    return None if message is None else dump(_plain_message(message))


def load_message(stored: str | None) -> Message | None:
    return None if stored is None else _message(json.loads(stored))


# ------------------------------------------------------------------ runs


_PLAIN = ("workflow", "title", "graph", "idle_limit", "version", "seconds", "output_kinds")
"""Fields of a run that are JSON already; those missing in older rows have defaults."""


def _pairs(targets: Sequence[Target]) -> list[list[str]]:
    return [[target.node_id, target.input_name] for target in targets]


def _targets(pairs: list[list[str]]) -> tuple[Target, ...]:
    return tuple(Target(node_id, input_name) for node_id, input_name in pairs)


def dump_spec(spec: RunSpec) -> str:
    """Serialize a run without the bytes of its input files."""
    uploads = [
        {"name": up.file.name, "width": up.file.width, "height": up.file.height, "targets": _pairs(up.targets)}
        for up in spec.uploads
    ]
    plain = {name: getattr(spec, name) for name in _PLAIN}
    plain |= {
        "uploads": uploads,
        "outputs": list(spec.outputs),
        "values": {name: _plain(value) for name, value in spec.values.items()},
        "options": {name: _pairs(targets) for name, targets in spec.options.items()},
        "left_open": dict(spec.left_open),
    }
    if spec.matches:
        plain["matches"] = {name: list(patterns) for name, patterns in spec.matches.items()}
    if spec.steps:
        plain["steps"] = [asdict(step) for step in spec.steps]
    if spec.needs != Needs():
        plain["needs"] = spec.needs.to_json()
    return dump(plain)


def load_spec(stored: str) -> RunSpec:
    """Reverse `dump_spec`; the input files have no bytes."""
    plain: dict[str, Any] = json.loads(stored)
    return RunSpec(
        **{name: plain[name] for name in _PLAIN if name in plain},
        uploads=tuple(_upload(upload) for upload in plain["uploads"]),
        outputs=tuple(plain["outputs"]),
        values={name: _value(value) for name, value in plain["values"].items()},
        options={name: _targets(pairs) for name, pairs in plain["options"].items()},
        left_open=plain["left_open"],
        matches={name: tuple(patterns) for name, patterns in plain.get("matches", {}).items()},
        needs=Needs.from_json(plain["needs"]) if "needs" in plain else Needs(),
        steps=tuple(_step(step) for step in plain.get("steps", ())),
    )


def _step(plain: dict[str, Any]) -> NextStep:
    fields: dict[str, Any] = {**plain, "keep": tuple(plain["keep"])}
    return NextStep(**fields)


def _upload(plain: dict[str, Any]) -> Upload:
    file = InputFile(plain["name"], b"", plain["width"], plain["height"])
    return Upload(file, _targets(plain["targets"]))


def with_bytes(spec: RunSpec, data: Callable[[str], bytes]) -> RunSpec:
    """Return a run with the bytes of its input files, looked up by name."""
    uploads = (replace(upload, file=replace(upload.file, data=data(upload.file.name))) for upload in spec.uploads)
    return replace(spec, uploads=tuple(uploads))


# ------------------------------------------------------------------ results


def dump_outputs(outputs: Sequence[OutputRef]) -> str:
    return dump([[ref.node_id, ref.filename, ref.subfolder, ref.folder] for ref in outputs])


def load_outputs(stored: str) -> tuple[OutputRef, ...]:
    return tuple(OutputRef(*fields) for fields in json.loads(stored))


def dump_followups(parts: Mapping[int, FollowupMessage]) -> str:
    return dump({str(number): [message.message_id, message.at] for number, message in parts.items()})


def load_followups(stored: str) -> dict[int, FollowupMessage]:
    return {int(number): FollowupMessage(message_id, at) for number, (message_id, at) in json.loads(stored).items()}
