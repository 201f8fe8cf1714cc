"""The models in the memory of the simulated GPU: those of the last run.

Node results are cached separately and for longer: a cached loader does not run again, but its model can have been
unloaded meanwhile and is then loaded again when used.
"""

from bot.sandbox.comfyui.execution.gate import work
from bot.sandbox.comfyui.state import ServerState


class ModelMemory:
    """Tracks loaded checkpoints and diffusion models by name; loading only costs time."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._loaded: set[str] = set()
        self._needed: set[str] = set()

    def begin(self) -> None:
        """Start a run; the models of the last one are still loaded."""
        self._needed.clear()

    async def need(self, name: str) -> None:
        """Load a model if necessary; as on a real server, this cannot be interrupted and reports no progress."""
        is_there = name in self._loaded or name in self._needed
        self._needed.add(name)
        if not is_there:
            self._state.seen.model_switches += 1
            await work(self._state, self._state.load_seconds)

    def end(self) -> None:
        """End a run, however it ended; if it used any model, all others are unloaded."""
        if self._needed:
            self._loaded = set(self._needed)

    def clear(self) -> None:
        """Unload everything, for `POST /free`."""
        self._loaded.clear()
