"""The bytes of input files, stored while their job may still run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Job
from bot.storage import serialization
from bot.storage.engine.dialect import insert
from bot.storage.schema.tables import input_file
from bot.workflow.run.spec import RunSpec


def write(conn: Connection, job_id: str, spec: RunSpec | None) -> None:
    """Store the input files of a run that have bytes, once per name: names are derived from the content."""
    for file in (upload.file for upload in (spec.uploads if spec else ()) if upload.file.data):
        row = {"job_id": job_id, "name": file.name, "data": file.data}
        conn.execute(insert(conn.dialect.name, input_file).on_conflict_do_nothing(), row)


def with_bytes(conn: Connection, job: Job) -> Job:
    query = sa.select(input_file.c.name, input_file.c.data).where(input_file.c.job_id == job.id)
    data = {row.name: row.data for row in conn.execute(query)}
    return replace(job, spec=serialization.with_bytes(job.spec, lambda name: data.get(name, b"")))


def drop(conn: Connection, job_ids: Sequence[str]) -> None:
    conn.execute(_DROP, {"these": list(job_ids)})


_DROP: Final = sa.delete(input_file).where(input_file.c.job_id.in_(sa.bindparam("these", expanding=True)))
