"""Whatever a job may hold comes back from its row as it was."""

import json
from dataclasses import fields, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.i18n import Message
from bot.jobs.job import Delivery, FollowupMessage, Job, JobState, MessageLocation, Requester
from bot.storage import rows, serialization
from bot.storage.schema.tables import job as table
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import InputFile, OutputRef
from bot.workflow.run.needs import Needs
from bot.workflow.run.spec import NextStep, RunSpec, Upload
from tests.storage.samples import job

TEXT = st.text(max_size=20)
ID = st.integers(0, 2**63 - 1)
SMALL = st.integers(0, 2**31 - 1)
TIME = st.floats(0, 4e9)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


def messages(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    named = st.dictionaries(TEXT, values, max_size=3)
    plural = st.builds(Message, TEXT, named, TEXT, st.integers())
    return st.builds(Message, TEXT, named) | plural


MESSAGE = messages(st.recursive(JSON, messages, max_leaves=3))
TARGETS = st.lists(st.builds(Target, TEXT, TEXT), max_size=3).map(tuple)
UPLOAD = st.builds(Upload, st.builds(InputFile, TEXT, st.just(b""), SMALL, SMALL), TARGETS)
SPEC = st.builds(
    RunSpec,
    workflow=TEXT,
    title=TEXT,
    graph=st.dictionaries(TEXT, st.dictionaries(TEXT, JSON, max_size=2), max_size=3),
    uploads=st.lists(UPLOAD, max_size=2).map(tuple),
    outputs=st.lists(TEXT, max_size=2).map(tuple),
    values=st.dictionaries(TEXT, JSON | MESSAGE, max_size=3),
    options=st.dictionaries(TEXT, TARGETS, max_size=2),
    left_open=st.dictionaries(TEXT, TEXT, max_size=2),
    matches=st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=2),
    output_kinds=st.dictionaries(TEXT, TEXT, max_size=2),
    version=TEXT,
    seconds=TIME,
    idle_limit=TIME,
    steps=st.lists(
        st.builds(
            NextStep,
            TEXT,
            TEXT,
            TEXT,
            TEXT,
            keep=st.lists(TEXT, max_size=2).map(tuple),
            values=st.dictionaries(TEXT, TEXT | SMALL | TIME | st.booleans(), max_size=2),
        ),
        max_size=2,
    ).map(tuple),
    needs=st.builds(
        Needs,
        nodes=st.frozensets(TEXT, max_size=2),
        choices=st.frozensets(st.tuples(TEXT, TEXT, TEXT), max_size=2),
        models=st.lists(TEXT, max_size=2).map(tuple),
        vram=SMALL,
    ),
)
PLACE = st.builds(
    MessageLocation, ID, ID, TEXT, TIME, ID, ID, guild_id=st.none() | ID, bot_can_edit=st.booleans(), upload_limit=ID
)
JOB = st.builds(
    Job,
    id=TEXT,
    spec=SPEC,
    requester=st.builds(Requester, ID, TEXT, TEXT),
    place=PLACE,
    created=TIME,
    state=st.sampled_from(JobState),
    holder=TEXT,
    server=TEXT,
    epoch=SMALL,
    prompt_id=TEXT,
    posted=st.booleans(),
    estimate=st.just(0.0) | st.floats(1e-3, 1e9),
    pictures=SMALL,
    attempts=SMALL,
    losses=SMALL,
    not_before=TIME,
    started=TIME,
    finished=TIME,
    outputs=st.lists(st.builds(OutputRef, TEXT, TEXT, TEXT, TEXT), max_size=3).map(tuple),
    note=st.none() | MESSAGE,
    error=st.none() | MESSAGE,
    delivery=st.sampled_from(Delivery),
    tries=SMALL,
    parts=st.dictionaries(st.integers(1, 9), st.builds(FollowupMessage, ID, TIME), max_size=2),
    told=st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(JOB)
def test_a_job_comes_back_as_it_was(entry: Job) -> None:
    assert rows.read(rows.new_row(entry)) == entry


@given(JOB)
def test_rows_hold_nothing_but_plain_text_and_numbers(entry: Job) -> None:
    row = rows.new_row(entry)
    assert set(row) <= set(table.columns.keys())
    for column in ("spec", "requester", "outputs", "parts"):
        assert row[column].isascii()
    for column in ("workflow", "cls", "model"):
        assert "\0" not in row[column]
        row[column].encode()


def test_these_strategies_cover_every_field() -> None:
    """A field that is new must be named above, or nobody would notice that it gets lost."""
    assert {field.name for field in fields(RunSpec)} == {
        "workflow", "title", "graph", "uploads", "outputs", "values", "options", "left_open", "idle_limit", "needs",
        "matches", "output_kinds", "version", "seconds", "steps",
    }  # fmt: skip
    assert set(rows.columns(job(1), [field.name for field in fields(Job)])) == set(rows.new_row(job(1))) - {
        "account_id"
    }


def test_values_of_other_kinds_become_text() -> None:
    odd = Message("{what}", {"what": JobState, "mode": JobState.DONE, "raw": b"x"})
    back = serialization.load_message(serialization.dump_message(odd))
    assert back is not None
    assert back.values == {"what": str(JobState), "mode": "done", "raw": "b'x'"}


def test_a_message_in_a_message_is_still_to_be_translated() -> None:
    outer = Message("{who} says {what}", {"who": "Ann", "what": Message("{count} cat", {}, "{count} cats", 2)})
    assert str(serialization.load_message(serialization.dump_message(outer))) == "Ann says 2 cats"


def test_a_row_from_before_a_field_existed_can_be_read() -> None:
    stored = json.loads(serialization.dump_spec(replace(job(1).spec, idle_limit=5.0)))
    del stored["idle_limit"]
    assert serialization.load_spec(json.dumps(stored)) == job(1).spec
