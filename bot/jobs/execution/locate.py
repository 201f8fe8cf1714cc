"""Locates a prompt, retrying until the server answers: a silent server must not be taken for one that lost it."""

from bot.clock import Clock
from bot.jobs.ports import Backend
from bot.workflow.run.events import PromptLocation, ServerFaultError, ServerOfflineError

LOCATE_PAUSE = 1.0
"""Seconds between tries."""
MAX_TIMEOUTS = 200
"""Maximum unanswered requests while the server is online; an offline server is waited for."""
MAX_SERVER_ERRORS = 15
"""Maximum error answers."""


async def locate_with_retry(backend: Backend, clock: Clock, prompt_id: str) -> PromptLocation:
    """Return where a server has a prompt, waiting while it is offline.

    Raises `ServerOfflineError` or `ServerFaultError` when it is online but fails too often.
    """
    silences = faults = 0
    while True:
        await backend.wait_online()
        try:
            return await backend.locate(prompt_id)
        except ServerOfflineError:
            silences += 1
            if silences >= MAX_TIMEOUTS:
                raise
        except ServerFaultError:
            faults += 1
            if faults >= MAX_SERVER_ERRORS:
                raise
        await clock.sleep(LOCATE_PAUSE)
