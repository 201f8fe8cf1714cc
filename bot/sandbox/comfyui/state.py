"""The scenario of the stand-in ComfyUI, set by tests, and the record of what it received.

Each field is one scenario; unless noted otherwise, a change while the server is running takes effect from the next
request, frame or step. Requests are named "METHOD /path", without the `/api` prefix and without the last part of
`/history/{id}`, `/object_info/{class}` and `/models/{folder}`; "*" means every request.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.sandbox.comfyui.models import stock_models

ALWAYS = -1
"""As a count of failing requests: until reset."""

MIB = 1024 * 1024


class Generation(StrEnum):
    """The ComfyUI release whose answers are modelled."""

    OLD = "0.3.64"
    """Any string is a valid prompt id; no jobs API; only the last prompt's nodes stay cached."""
    NEW = "0.33.0"
    """Prompt ids must be canonical UUIDs; `/api/jobs` exists and can cancel; several prompts stay cached."""


@dataclass(frozen=True, slots=True)
class NodeFault:
    """How a node fails; `exception_type` is the qualified name ("ValueError", "torch.OutOfMemoryError")."""

    message: str = "the stand-in was told to fail here"
    exception_type: str = "ValueError"


OUT_OF_MEMORY = NodeFault("Allocation on device", "torch.OutOfMemoryError")
BLOCKED = NodeFault("not allowed here", "ExecutionBlocked")
"""An `execution_error` frame, then success without this output."""
BLOCKED_SILENTLY = NodeFault("", "ExecutionBlocked")
"""No output and no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One executed prompt; times are `time.monotonic` seconds of the server's process."""

    prompt_id: str
    client_id: str | None
    began: float
    ended: float
    outcome: str
    """"success", "error" or "interrupted"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One prompt that was removed from the queue or interrupted."""

    prompt_id: str
    client_id: str | None
    was_running: bool
    was_named: bool
    """Whether the request named its id; else the queue was cleared, or the running prompt was interrupted."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the server received and sent, across restarts."""

    sockets_opened: int = 0
    sockets_open: int = 0
    requests: Counter[str] = field(default_factory=Counter[str])
    prompts: list[str] = field(default_factory=list[str])
    """Queued prompt ids in order of arrival."""
    graphs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Prompt id → graph as queued, after conversion of its values."""
    uploads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Stored name with subfolder → bytes."""
    interrupts: list[str | None] = field(default_factory=list[str | None])
    """The prompt id of each interrupt or jobs-API cancel; None for a global interrupt."""
    stops: list[Stop] = field(default_factory=list[Stop])
    """Prompts affected by interrupts, deletes and cancels."""
    runs: list[Run] = field(default_factory=list[Run])
    """Executed prompts in the order in which they ended."""
    model_switches: int = 0
    """How often a run had to load a model, including the first time."""
    frames: Counter[str] = field(default_factory=Counter[str])
    """Frames sent, by type; binary ones as "binary 1" and "binary 4"."""


@dataclass(slots=True, kw_only=True)
class ServerState:
    """The stand-in's scenario. Default: a healthy server of the new generation with previews."""

    generation: Generation = Generation.NEW

    # ------------------------------------------------------------ speed
    seconds_per_step: float = 0.12
    """Duration of one sampler step."""
    load_seconds: float = 0.0
    """Loading time of a checkpoint or diffusion model that the last run did not use; it cannot be interrupted and sends
    no frames."""
    latency: float = 0.0
    """Seconds of network delay for every answer and frame; the order is kept."""
    history_delay: float = 0.0
    """Seconds between `execution_success` and the entry in `/history` (up to a few ms on real servers)."""
    answer_delay_ms: dict[str, float] = field(default_factory=dict[str, float])
    """Request → delay of its answer after the work is done."""

    plain: bool = False
    """Samplers fill images with one colour, so that benchmarks measure other things."""

    # ------------------------------------------------------------ what it offers
    previews: bool = True
    """Sampler previews. The new generation also accepts `extra_data.preview_method` per prompt."""
    models: dict[str, list[str]] = field(default_factory=stock_models)
    """Folder → file names, as `/models` and the loaders list them."""
    missing_classes: set[str] = field(default_factory=set[str])
    """Node classes that are not installed."""
    version: str = ""
    """The version in `/system_stats`; empty for the generation's own."""
    device: str = "cpu"
    """Device name such as "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync"; it begins with the type."""
    vram_total: int = 8192 * MIB
    """Bytes."""
    vram_free: int | None = None
    """Bytes; None: all of it."""
    max_upload_size: int = 100 * MIB
    """Largest request body in bytes; more is answered with 413."""
    memory_pixels: int = 4096 * 4096
    """Batches with more pixels than this run out of memory."""

    # ------------------------------------------------------------ sockets
    deaf_takeover: bool = True
    """Closing a replaced socket also unregisters its replacement: a bug in all ComfyUI releases."""
    refuse_sockets: bool = False
    """`/ws` answers 403, like a proxy without websocket support."""
    publisher_stuck: bool = False
    """No frames are sent, as when another client does not read; HTTP works."""
    lost_frames: set[str] = field(default_factory=set[str])
    """Types of frames that are never sent."""
    frozen: bool = False
    """The whole process hangs: no answers, frames or steps (e.g. garbage collection, a model load)."""

    # ------------------------------------------------------------ requests
    answer_500: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones are answered with 500 and not carried out; or `ALWAYS`."""
    drop_answer: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones are carried out but lose their connection before the answer."""
    drop_request: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones lose their connection before they are carried out."""

    # ------------------------------------------------------------ running a graph
    node_faults: dict[str, NodeFault] = field(default_factory=dict[str, NodeFault])
    """Node id or class → its failure when it runs."""
    interrupt_at_step: int | None = None
    """Another client interrupts the running prompt at this sampler step."""
    dropped_outputs: set[str] = field(default_factory=set[str])
    """Node ids or classes whose outputs are missing from `executed` and `/history`, although they run."""
    delete_outputs: bool = False
    """Output files are deleted at once: `/view` answers 404."""
    extra_output: dict[str, Any] = field(default_factory=dict[str, Any])
    """Merged into the output of every node that has one, e.g. unknown keys or other media."""
    nan_in_output: bool = False
    """Outputs contain a bare `NaN`, which is invalid JSON; some custom nodes send it."""

    seen: Seen = field(default_factory=Seen)


def take(counts: dict[str, int], request: str) -> bool:
    """Whether the fault in `counts` applies to `request` now; decrements the count."""
    for name in (request, "*"):
        left = counts.get(name, 0)
        if left:
            if left > 0:
                counts[name] = left - 1
            return True
    return False
