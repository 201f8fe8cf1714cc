"""`WorkflowRulesRepository` over a database: which workflows a guild enables, with their defaults and limits."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.policy.guild_workflows import GuildLimits, GuildWorkflowRules, Value, WorkflowRule
from bot.storage.engine.dialect import insert, storable
from bot.storage.schema.tables import guild_limit as limits
from bot.storage.schema.tables import workflow_rule as rules
from bot.storage.sql_repository import SqlRepository, reads, writes
from bot.workflow.json_access import load, mapping

MAX_RULES: Final = 5000
"""A guild has about 100 workflows and 500 channels; few of them have rules."""


def _guild_rules(conn: Connection, guild_id: int) -> GuildWorkflowRules:
    query = sa.select(rules).where(rules.c.guild_id == guild_id)
    query = query.order_by(rules.c.workflow, rules.c.channel_id).limit(MAX_RULES)
    found = tuple(_read_rule(row) for row in conn.execute(query).mappings())
    row = conn.execute(sa.select(limits).where(limits.c.guild_id == guild_id)).mappings().first()
    return GuildWorkflowRules(found, None if row is None else GuildLimits(**row))


def _read_rule(row: Mapping[Any, Any]) -> WorkflowRule:
    defaults: dict[str, Value] = {
        name: value for name, value in mapping(load(row["defaults"])).items() if isinstance(value, Value)
    }
    return WorkflowRule(row["guild_id"], row["workflow"], row["channel_id"], row["enabled"], defaults)


def _set_rule(conn: Connection, rule: WorkflowRule) -> None:
    key = {"guild_id": rule.guild_id, "channel_id": rule.channel_id, "workflow": storable(rule.workflow)}
    if rule.is_empty:
        conn.execute(sa.delete(rules).where(*(rules.c[name] == value for name, value in key.items())))
        return
    values = {"enabled": rule.is_enabled, "defaults": json.dumps(dict(rule.defaults))}
    entry = insert(conn.dialect.name, rules).values(**key, **values)
    conn.execute(entry.on_conflict_do_update(index_elements=[rules.c[name] for name in key], set_=values))


def _set_limits(conn: Connection, new: GuildLimits) -> None:
    values = asdict(new)
    entry = insert(conn.dialect.name, limits).values(values)
    rest = {name: value for name, value in values.items() if name != "guild_id"}
    conn.execute(entry.on_conflict_do_update(index_elements=[limits.c.guild_id], set_=rest))


class SqlWorkflowRules(SqlRepository):
    """Implements `WorkflowRulesRepository`."""

    guild_rules = reads(_guild_rules)
    set_workflow_rule = writes(_set_rule, single=True, durable=True)
    set_guild_limits = writes(_set_limits, single=True, durable=True)
