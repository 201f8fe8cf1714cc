"""What a test may switch on in the stand-in ComfyUI, and what it may read back.

One field is one scenario. Every field may be changed while the server runs and acts from the next request, frame or
step on, unless its comment says otherwise. Requests are named "METHOD /path", without the `/api` prefix and with the
last part of `/history/{id}`, `/object_info/{class}` and `/models/{folder}` left out; "*" names every request.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.sandbox.comfyui.models import stock_models

ALWAYS = -1
"""As a count of failing requests: until the test takes it back."""

MIB = 1024 * 1024


class Generation(StrEnum):
    """Which released server the answers are modelled on."""

    OLD = "0.3.64"
    """Any text is a prompt id, no jobs API, only the last prompt's nodes stay cached."""
    NEW = "0.33.0"
    """A prompt id must be a canonical UUID, `/api/jobs` exists and can cancel, several prompts stay cached."""


@dataclass(frozen=True, slots=True)
class NodeFault:
    """How a node fails. `exception_type` is qualified as Python shows it ("ValueError", "torch.OutOfMemoryError")."""

    message: str = "the stand-in was told to fail here"
    exception_type: str = "ValueError"


OUT_OF_MEMORY = NodeFault("Allocation on device", "torch.OutOfMemoryError")
BLOCKED = NodeFault("not allowed here", "ExecutionBlocked")
"""An `execution_error` frame, and then success without this output."""
BLOCKED_SILENTLY = NodeFault("", "ExecutionBlocked")
"""No output, no word about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One prompt that was executed; times are seconds of `time.monotonic` in the server's process."""

    prompt_id: str
    client_id: str | None
    began: float
    ended: float
    outcome: str
    """"success", "error" or "interrupted"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One prompt that was taken out of the queue or asked to stop; requests that hit nothing leave none."""

    prompt_id: str
    client_id: str | None
    was_running: bool
    was_named: bool
    """Whether its id was given; else the whole queue was cleared, or whatever ran was interrupted."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What reached the server and what left it, since the stand-in was made; a restart does not forget it."""

    sockets_opened: int = 0
    sockets_open: int = 0
    requests: Counter[str] = field(default_factory=Counter[str])
    prompts: list[str] = field(default_factory=list[str])
    """Ids that were queued, in the order of arrival."""
    graphs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Prompt id → the graph as queued, after conversion."""
    uploads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Stored name (with its subfolder) → bytes."""
    interrupts: list[str | None] = field(default_factory=list[str | None])
    """The prompt id of each interrupt or jobs-API cancel; None is a global interrupt."""
    stops: list[Stop] = field(default_factory=list[Stop])
    """Whom interrupts, deletes and cancels hit."""
    runs: list[Run] = field(default_factory=list[Run])
    """What was executed, in the order of the ends."""
    model_switches: int = 0
    """How often a run needed a model that was not loaded; the first counts too."""
    frames: Counter[str] = field(default_factory=Counter[str])
    """Frames handed to sockets, by type; binary ones as "binary 1" and "binary 4"."""


@dataclass(slots=True, kw_only=True)
class ServerState:
    """The scenario that the stand-in plays. Without arguments: a healthy new server with previews."""

    generation: Generation = Generation.NEW

    # ------------------------------------------------------------ speed
    seconds_per_step: float = 0.12
    """What one sampler step takes."""
    load_seconds: float = 0.0
    """What loading a checkpoint or diffusion model takes that the last run did not use, without a frame or a chance to
    interrupt in between."""
    latency: float = 0.0
    """Seconds by which a slow network holds back every answer and every frame; the order stays."""
    history_delay: float = 0.0
    """Seconds between `execution_success` and the moment when `/history` knows the prompt (real: up to a few ms)."""
    answer_delay_ms: dict[str, float] = field(default_factory=dict[str, float])
    """Request → how long its answer is held back after the work is done."""

    plain: bool = False
    """Samplers paint one colour instead of a picture, which costs next to no processor: for measuring others."""

    # ------------------------------------------------------------ what it offers
    previews: bool = True
    """Sampler previews. The new generation also takes `extra_data.preview_method` per prompt."""
    models: dict[str, list[str]] = field(default_factory=stock_models)
    """Folder → file names, as `/models` and the loaders list them."""
    missing_classes: set[str] = field(default_factory=set[str])
    """Node classes that this server does not have."""
    version: str = ""
    """What `/system_stats` calls the server; empty for that of the generation."""
    device: str = "cpu"
    """The name of the device, as in "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync"; its type stands first."""
    vram_total: int = 8192 * MIB
    """Bytes."""
    vram_free: int | None = None
    """Bytes; None for all of them."""
    max_upload_size: int = 100 * MIB
    """Bytes of any request body; more is a 413."""
    memory_pixels: int = 4096 * 4096
    """A batch of pictures with more pixels than this runs out of memory."""

    # ------------------------------------------------------------ sockets
    deaf_takeover: bool = True
    """Closing a replaced socket also unregisters the one that replaced it: a fault of all released servers."""
    refuse_sockets: bool = False
    """`/ws` answers 403, like a proxy that does not let websockets through."""
    publisher_stuck: bool = False
    """No frame leaves, as when one client of the server does not read; HTTP works."""
    lost_frames: set[str] = field(default_factory=set[str])
    """Types of frames that never leave."""
    frozen: bool = False
    """The whole process stands still: no answer, no frame, no step (garbage collection, a model load)."""

    # ------------------------------------------------------------ requests
    answer_500: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones answer 500 without doing anything; `ALWAYS` for all."""
    drop_answer: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones are carried out, and then the connection breaks instead of answering."""
    drop_request: dict[str, int] = field(default_factory=dict[str, int])
    """Request → how many of the next ones break the connection before anything is done."""

    # ------------------------------------------------------------ running a graph
    node_faults: dict[str, NodeFault] = field(default_factory=dict[str, NodeFault])
    """Node id or class → how it fails when it runs."""
    interrupt_at_step: int | None = None
    """Somebody else stops whatever runs, at this sampler step."""
    dropped_outputs: set[str] = field(default_factory=set[str])
    """Node ids or classes that run, but whose files appear neither in `executed` nor in `/history`."""
    delete_outputs: bool = False
    """Files vanish as soon as they are listed: `/view` answers 404."""
    extra_output: dict[str, Any] = field(default_factory=dict[str, Any])
    """Merged into the output of every node that has one: foreign keys, other media, NaN."""
    nan_in_output: bool = False
    """Outputs carry a bare `NaN`, which is not JSON, as some custom nodes make them."""

    seen: Seen = field(default_factory=Seen)


def take(counts: dict[str, int], request: str) -> bool:
    """Whether the fault counted in `counts` hits `request` now; counts down."""
    for name in (request, "*"):
        left = counts.get(name, 0)
        if left:
            if left > 0:
                counts[name] = left - 1
            return True
    return False
