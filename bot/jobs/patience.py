"""Asking a server until it answers. Only an answer is a verdict: a server that is silent has forgotten nothing."""

from bot.clock import Clock
from bot.jobs.ports import Backend
from bot.workflow.execution import ServerFaultError, ServerOfflineError, Whereabouts

LOOK_AGAIN = 1.0
"""Seconds before a server that did not answer is asked again."""
SILENCES = 200
"""Questions that may stay without an answer while the server claims to be there; one that is away is waited for."""
FAULTS = 15
"""Questions that may be answered with an error."""


async def located(backend: Backend, clock: Clock, prompt_id: str) -> Whereabouts:
    """Return where a server has a prompt, once it can say so.

    Raises `ServerOfflineError` or `ServerFaultError` when it is there for long, and cannot.
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
