"""Converts jobs to rows of the table `job` and back. Knows no transactions.

An unreadable column (edited by hand, or written by a bug) only costs that job its value: reading logs the column and
continues with its empty value.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from bot.jobs.job import Delivery, Job, JobState, MessageLocation, Requester
from bot.policy.fair_share import MAX_CHARGE, MIN_WEIGHT
from bot.policy.terms import account_key
from bot.storage import serialization
from bot.storage.engine.compiled import Values
from bot.storage.engine.dialect import storable
from bot.storage.schema.tables import job as jobs
from bot.workflow.run.spec import RunSpec

log = logging.getLogger(__name__)

T = TypeVar("T")

Row = Mapping[Any, Any]

UNREADABLE: Final = RunSpec(workflow="", title="", graph={})
"""Stands for a run that can't be read."""

_PLAIN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "id": str, "created": float, "holder": str, "server": str, "epoch": int, "prompt_id": str, "posted": bool,
    "attempts": int, "losses": int, "not_before": float, "started": float, "finished": float, "tries": int,
    "told": bool, "cancel_by": lambda value: int(value or 0),
}  # fmt: skip
"""Fields stored unchanged. The types matter for reading: SQLite's RETURNING returns 5 for 5.0."""

READ: Final = tuple(
    jobs.c[name]
    for name in (
        *_PLAIN, "seq", "account_id", "spec", "cost_est", "pictures_est", "requester", "state", "delivery", "outputs",
        "note", "error", "parts", "interaction_id", "application_id", "interaction_token", "token_expires",
        "channel_id", "message_id", "guild_id", "user_id", "bot_can_edit", "upload_limit",
    )
)  # fmt: skip
"""The columns that make up a job; the others are for SQL only."""


def account_of(job: Job) -> str:
    """Return the key of a job's account: one member in one guild, or in direct messages."""
    return account_key(job.place.guild_id, job.requester.user_id)


_LOCATION: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "interaction_id": ("interaction_id", int), "application_id": ("application_id", int),
    "token": ("interaction_token", str), "token_expires": ("token_expires", float), "channel_id": ("channel_id", int),
    "message_id": ("message_id", int), "bot_can_edit": ("bot_can_edit", bool), "upload_limit": ("upload_limit", int),
}  # fmt: skip
"""Columns of the fields of a message location, and their types; the guild's id may be NULL."""


def _location(job: Job) -> Values:
    columns = {column: getattr(job.place, name) for name, (column, _type) in _LOCATION.items()}
    return {**columns, "guild_id": job.place.guild_id}


def _requester(job: Job) -> Values:
    who = job.requester
    return {"user_id": who.user_id, "requester": serialization.dump([who.name, who.locale])}


def _spec(job: Job) -> Values:
    spec = job.spec
    columns = {"workflow": spec.workflow, "cls": spec.needs.cls, "model": spec.needs.model}
    return {"spec": serialization.dump_spec(spec)} | {name: storable(text) for name, text in columns.items()}


_WRITERS: Mapping[str, Callable[[Job], Values]] = {
    "spec": _spec,
    "estimate": lambda job: {"cost_est": min(MAX_CHARGE, job.estimate) if job.estimate > MIN_WEIGHT else 0.0},
    "pictures": lambda job: {"pictures_est": job.pictures},
    "requester": _requester,
    "place": _location,
    "state": lambda job: {"state": job.state.value},
    "outputs": lambda job: {"outputs": serialization.dump_outputs(job.outputs)},
    "note": lambda job: {"note": serialization.dump_message(job.note)},
    "error": lambda job: {"error": serialization.dump_message(job.error)},
    "delivery": lambda job: {"delivery": job.delivery.value},
    "parts": lambda job: {"parts": serialization.dump_followups(job.parts)},
}


def columns(job: Job, names: Iterable[str]) -> Values:
    """Return the columns of these fields of a job."""
    values: Values = {}
    for name in names:
        values |= {name: getattr(job, name)} if name in _PLAIN else _WRITERS[name](job)
    return values


def new_row(job: Job) -> Values:
    return columns(job, (field.name for field in fields(job))) | {"account_id": account_of(job)}


# ------------------------------------------------------------------ reading


def read(row: Row) -> Job:
    """Return the job of a row, without the bytes of its input files."""
    columns = _Columns(row)
    plain: Values = {name: convert(row[name]) for name, convert in _PLAIN.items()}
    name, locale = columns.read("requester", _name_and_locale, ("?", "en-US"))
    return Job(
        spec=columns.read("spec", serialization.load_spec, UNREADABLE),
        requester=Requester(row["user_id"], name, locale),
        place=_read_location(row),
        state=JobState(row["state"]),
        delivery=columns.read("delivery", Delivery, Delivery.PENDING),
        outputs=columns.read("outputs", serialization.load_outputs, ()),
        note=columns.read("note", serialization.load_message, None),
        error=columns.read("error", serialization.load_message, None),
        parts=columns.read("parts", serialization.load_followups, {}),
        estimate=float(row["cost_est"] or 0.0),
        pictures=row["pictures_est"],
        **plain,
    )


def read_all(rows: Iterable[Row]) -> list[Job]:
    """Return the jobs of rows; rows with an unknown state are logged and left out."""
    jobs_read: list[Job] = []
    for row in rows:
        try:
            jobs_read.append(read(row))
        except ValueError:
            log.error("job %s has an unknown state: %r", row["id"], row["state"])  # noqa: TRY400  # a traceback adds nothing
    return jobs_read


def _read_location(row: Row) -> MessageLocation:
    known: Values = {name: convert(row[column]) for name, (column, convert) in _LOCATION.items()}
    return MessageLocation(**known, guild_id=row["guild_id"])


def _name_and_locale(stored: str) -> tuple[str, str]:
    first, second = json.loads(stored)
    return str(first), str(second)


class _Columns:
    """Reads the structured columns of a row, each on its own."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def read(self, column: str, load: Callable[[Any], T], otherwise: T) -> T:
        try:
            return load(self._row[column])
        except (ValueError, TypeError, KeyError, AttributeError):
            log.error("can't read column %s of job %s", column, self._row["id"])  # noqa: TRY400  # it may hold private text
            return otherwise
