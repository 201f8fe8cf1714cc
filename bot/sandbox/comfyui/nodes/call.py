"""The arguments and results of node functions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from PIL.Image import Image

from bot.sandbox.comfyui.execution.memory import ModelMemory
from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.state import ServerState
from bot.sandbox.comfyui.values import Conditioning, Latent, Masks, Model, Pictures

T = TypeVar("T")


class NodeFailedError(Exception):
    """A node failed; `exception_type` is the type that the server reports."""

    def __init__(self, message: str, exception_type: str = "ValueError") -> None:
        super().__init__(message)
        self.exception_type = exception_type


class InterruptedRunError(Exception):
    """The prompt was interrupted."""


class OutOfMemoryError(NodeFailedError):
    """More pixels than `ServerState.memory_pixels`."""

    def __init__(self) -> None:
        super().__init__("Allocation on device", "torch.OutOfMemoryError")


class Inputs(dict[str, Any]):
    """Values by input name, with links resolved."""

    def _typed(self, name: str, kind: type[T]) -> T:
        value = self[name]
        if not isinstance(value, kind):
            raise NodeFailedError(f"{type(value).__name__!r} object has no attribute 'shape'", "AttributeError")
        return value

    def int(self, name: str) -> int:
        return int(self[name])

    def float(self, name: str) -> float:
        return float(self[name])

    def text(self, name: str) -> str:
        return str(self[name])

    def model(self) -> Model:
        return self._typed("model", Model)

    def conditioning(self, name: str) -> Conditioning:
        return self._typed(name, Conditioning)

    def latent(self, name: str = "samples") -> Latent:
        return self._typed(name, Latent)

    def images(self, name: str = "image") -> tuple[Image, ...]:
        return self._typed(name, Pictures).images

    def masks(self, name: str = "mask") -> tuple[Image, ...]:
        return self._typed(name, Masks).images


class Ticker(Protocol):
    """Reports a node's progress."""

    async def tick(self, value: float, maximum: float, preview: Callable[[], bytes] | None = None) -> None:
        """Report a step; `preview` encodes a JPEG in a thread if a client wants it. Raises `InterruptedRunError`."""
        ...

    def deliver(self, value: float, maximum: float, png: bytes) -> None:
        """Report a step that sends a finished image over the socket. Raises `InterruptedRunError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of the server that a node can use."""

    state: ServerState
    folders: Folders
    memory: ModelMemory
    ticker: Ticker
    interrupt: Callable[[], None]
    """Stops the run, like another client's `POST /interrupt`."""
    graph: dict[str, Any]
    extra_pnginfo: dict[str, Any]
    temp_prefix: str
    """Prefix of temporary files, new with each start of the server."""

    def require_memory(self, width: int, height: int, batch: int = 1) -> None:
        """Raise `OutOfMemoryError` if the images exceed the server's memory."""
        if width * height * batch > self.state.memory_pixels:
            raise OutOfMemoryError


@dataclass(frozen=True, slots=True)
class Result:
    """A node's result: one value per output slot, and its UI output."""

    values: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = field(default=None)


Quick = Callable[[Inputs, Context], Result]
"""A node that computes; it runs in a thread."""
Slow = Callable[[Inputs, Context], Awaitable[Result]]
"""A node that waits and reports steps; it runs on the loop and moves heavy work to threads."""


def json_object(value: object) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
