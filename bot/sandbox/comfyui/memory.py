"""Which models lie in the memory of the pretended GPU: those of the last run, as long as no other run needs the room.

Node results are cached elsewhere, and longer: a loader whose result is known need not run again, but the model may have
been pushed out meanwhile and is loaded once more when it works.
"""

from bot.sandbox.comfyui.gate import work
from bot.sandbox.comfyui.state import ServerState


class ModelMemory:
    """Holds names of checkpoints and diffusion models; the only thing they cost is the time to load them."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._loaded: set[str] = set()
        self._needed: set[str] = set()

    def begin(self) -> None:
        """A run starts: what the last one used is there, and stays if this one uses it too."""
        self._needed.clear()

    async def need(self, name: str) -> None:
        """Return when a model is loaded; the wait reports nothing and cannot be interrupted, as on a real server."""
        is_there = name in self._loaded or name in self._needed
        self._needed.add(name)
        if not is_there:
            self._state.seen.model_switches += 1
            await work(self._state, self._state.load_seconds)

    def end(self) -> None:
        """A run is over, in whatever way: what it did not need makes room, if it needed anything."""
        if self._needed:
            self._loaded = set(self._needed)

    def clear(self) -> None:
        """Forget everything, as `POST /free` asks."""
        self._loaded.clear()
