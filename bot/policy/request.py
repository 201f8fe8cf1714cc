"""The input of a policy decision: who wants what, where, and how large it is."""

from dataclasses import dataclass

from bot.workflow.measure import RunSize


@dataclass(frozen=True, slots=True)
class Request:
    """One requested run, before it becomes a job."""

    user_id: int
    guild_id: int | None
    workflow: str
    size: RunSize
    waiting: int = 0
    """This member's jobs already in the queue."""
    text_length: int = 0
    """Characters of the longest text the member wrote."""
