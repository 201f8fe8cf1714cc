"""Locates a prompt, retrying until the server answers: a silent server must not be taken for one that lost it."""

from bot.clock import Clock
from bot.jobs.ports import Backend
from bot.workflow.run.events import ServerFaultError, ServerOfflineError, Whereabouts

LOOK_AGAIN = 1.0
"""Seconds between tries."""
SILENCES = 200
"""Maximum unanswered requests while the server is online; an offline server is waited for."""
FAULTS = 15
"""Maximum error answers."""


async def located(backend: Backend, clock: Clock, prompt_id: str) -> Whereabouts:
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
            if silences >= SILENCES:
                raise
        except ServerFaultError:
            faults += 1
            if faults >= FAULTS:
                raise
        await clock.sleep(LOOK_AGAIN)
