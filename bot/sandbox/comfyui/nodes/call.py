"""What a node function gets and gives back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from PIL.Image import Image

from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.memory import ModelMemory
from bot.sandbox.comfyui.state import ServerState
from bot.sandbox.comfyui.values import Conditioning, Latent, Masks, Model, Pictures

T = TypeVar("T")


class NodeFailedError(Exception):
    """A node cannot go on; `exception_type` is what the server reports as the type."""

    def __init__(self, message: str, exception_type: str = "ValueError") -> None:
        super().__init__(message)
        self.exception_type = exception_type


class InterruptedRunError(Exception):
    """Somebody asked to stop."""


class OutOfMemoryError(NodeFailedError):
    """More pixels than this server can hold."""

    def __init__(self) -> None:
        super().__init__("Allocation on device", "torch.OutOfMemoryError")


class Inputs(dict[str, Any]):
    """Values by input name; links are already replaced by what flows along them."""

    def _typed(self, name: str, kind: type[T]) -> T:
        value = self[name]
        if not isinstance(value, kind):
            raise NodeFailedError(f"{type(value).__name__!r} object has no attribute 'shape'", "AttributeError")
        return value

    def int(self, name: str) -> int:
        """A whole number."""
        return int(self[name])

    def float(self, name: str) -> float:
        """A number."""
        return float(self[name])

    def text(self, name: str) -> str:
        """A text."""
        return str(self[name])

    def model(self) -> Model:
        """The input called "model"."""
        return self._typed("model", Model)

    def conditioning(self, name: str) -> Conditioning:
        """An encoded text."""
        return self._typed(name, Conditioning)

    def latent(self, name: str = "samples") -> Latent:
        """A latent."""
        return self._typed(name, Latent)

    def images(self, name: str = "image") -> tuple[Image, ...]:
        """The pictures of an IMAGE."""
        return self._typed(name, Pictures).images

    def masks(self, name: str = "mask") -> tuple[Image, ...]:
        """The pictures of a MASK."""
        return self._typed(name, Masks).images


class Ticker(Protocol):
    """How a node reports that it gets on."""

    async def tick(self, value: float, maximum: float, preview: Callable[[], bytes] | None = None) -> None:
        """Report a step; `preview` makes a JPEG, off the loop, if anybody wants one.

        Raises InterruptedRunError when somebody asked to stop.
        """
        ...

    def deliver(self, value: float, maximum: float, png: bytes) -> None:
        """Report a step that sends a finished picture over the socket. Raises InterruptedRunError like `tick`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a node may use of the server."""

    state: ServerState
    folders: Folders
    memory: ModelMemory
    ticker: Ticker
    interrupt: Callable[[], None]
    """Stops the run, as somebody else's POST /interrupt does."""
    graph: dict[str, Any]
    extra_pnginfo: dict[str, Any]
    temp_prefix: str
    """Prefix of temporary files, new with each start of the server."""

    def require_memory(self, width: int, height: int, batch: int = 1) -> None:
        """Raise OutOfMemoryError for pictures that are too big for this server."""
        if width * height * batch > self.state.memory_pixels:
            raise OutOfMemoryError


@dataclass(frozen=True, slots=True)
class Result:
    """What a node gives: one value per output slot, and what the client is told."""

    values: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = field(default=None)


Quick = Callable[[Inputs, Context], Result]
"""A node that computes; it runs in a thread."""
Slow = Callable[[Inputs, Context], Awaitable[Result]]
"""A node that waits and reports steps; it runs on the loop and moves heavy work off it."""


def json_object(value: object) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
