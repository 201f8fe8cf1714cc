"""The thirty seconds within which a job must have ended, from the moment when whatever failed is back."""

import time

from tests.faults.requests import is_over
from tests.transport.conftest import Stage
from tests.wire import WireInteraction, WireMessage

LIMIT = 30.0


class Deadline:
    """Runs from its making, on the clock on the wall; `restart` it when the fault is over."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def restart(self) -> None:
        """Count from now."""
        self._since = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._since + LIMIT - time.monotonic()

    async def end_of(self, job: WireInteraction) -> WireMessage:
        """Return the job's message, once it shows an end. Raises TimeoutError that shows it as it is instead."""
        return await job.wait_for(is_over, self.left)


async def still_works(stage: Stage) -> bool:
    """Return whether the next job gets its picture, from a ComfyUI that is quick now."""
    stage.comfy.state.seconds_per_step = 0.0
    job = await stage.order(options={"prompt": "afterwards", "width": 72, "height": 72})
    return bool((await Deadline().end_of(job)).attachments)
