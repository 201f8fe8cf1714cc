"""Measures the size of a run from its graph, so that policy can limit any workflow without its author's help.

Sizes follow the links: an image or canvas enters somewhere, later nodes enlarge, shrink or repeat it, and the largest
size counts. Nodes are recognized by their input names, which custom nodes mostly share with stock ones; unknown nodes
pass sizes on unchanged. Pure, and never raises.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.workflow.graph.graph import JsonGraph, is_link
from bot.workflow.run.spec import RunSpec

MEGAPIXEL = 1024 * 1024
"""ComfyUI's own unit."""

MODEL_FACTOR = 4
"""The factor of most upscale models; graphs do not contain it."""

MAX_HOPS = 8
MAX_NUMBER = 10**9

_SIZE_INPUTS = (("width", "height"), ("target_width", "target_height"))
_FACTOR_INPUTS = ("scale_by", "upscale_by", "scale_factor", "rescale_factor")
_REPEAT_INPUTS = ("batch_size", "amount")
_BORDER_INPUTS = ("left", "right", "top", "bottom")


@dataclass(frozen=True, slots=True)
class RunSize:
    """The largest image that a server works on in a run, and the amount of work. Zero: unknown."""

    width: int = 0
    height: int = 0
    pixels: int = 0
    """Of one image: width × height."""
    count: int = 1
    """Images that the run outputs."""
    steps: int = 0
    """Sampling steps of all samplers together."""


@dataclass(frozen=True, slots=True)
class _Flow:
    """The size of what a node outputs."""

    width: float = 0
    height: float = 0
    count: int = 1

    @property
    def pixels(self) -> float:
        return self.width * self.height

    def scaled(self, factor: float) -> "_Flow":
        return _Flow(self.width * factor, self.height * factor, self.count)


def measure(spec: RunSpec) -> RunSize:
    """Return the size of a run. Input images count as processed by the nodes, not as attached."""
    graph = spec.graph
    flows: dict[str, _Flow] = {
        target.node_id: _Flow(upload.file.width, upload.file.height)
        for upload in spec.uploads
        for target in upload.targets
    }
    given = frozenset(flows)
    for node_id in _in_order(graph):
        if node_id not in given:
            flows[node_id] = _handed_on(graph, node_id, flows)
    worked = [flow for node_id, flow in flows.items() if node_id not in given] or [_Flow()]
    biggest = max(worked, key=lambda flow: flow.pixels)
    shown = [flows[node_id].count for node_id in spec.outputs if node_id in flows]
    width, height = round(biggest.width), round(biggest.height)
    return RunSize(
        width=width,
        height=height,
        pixels=width * height,
        count=sum(shown) if shown else max(flow.count for flow in worked),
        steps=sum(_steps(graph, node_id) for node_id in graph),
    )


def _in_order(graph: JsonGraph) -> Iterator[str]:
    """Yield nodes in topological order; nodes in a cycle, which servers refuse, come at the end."""
    waiting = {node_id: {link for _name, link in _links(graph, node_id)} for node_id in graph}
    readers: dict[str, list[str]] = {}
    for node_id, sources in waiting.items():
        for source in sources:
            readers.setdefault(source, []).append(node_id)
    ready = deque(node_id for node_id, sources in waiting.items() if not sources)
    while ready:
        node_id = ready.popleft()
        del waiting[node_id]
        yield node_id
        for reader in readers.get(node_id, ()):
            waiting[reader].discard(node_id)
            if not waiting[reader]:
                ready.append(reader)
    yield from waiting


def _inputs(graph: JsonGraph, node_id: str) -> Mapping[str, Any]:
    return graph[node_id].get("inputs") or {}


def _links(graph: JsonGraph, node_id: str) -> Iterator[tuple[str, str]]:
    for name, value in _inputs(graph, node_id).items():
        if is_link(value) and value[0] in graph:
            yield name, value[0]


def _handed_on(graph: JsonGraph, node_id: str, flows: Mapping[str, _Flow]) -> _Flow:
    # Masks are stretched to what they cover, so their own size does not matter.
    sources = [flows[source] for name, source in _links(graph, node_id) if "mask" not in name and source in flows]
    biggest = max(sources, key=lambda flow: flow.pixels, default=_Flow())
    fed = _Flow(biggest.width, biggest.height, max((flow.count for flow in sources), default=1))
    sized = _resized(graph, node_id, fed)
    repeats = [_number(graph, _inputs(graph, node_id).get(name)) for name in _REPEAT_INPUTS]
    times = math.prod(max(1, round(repeat)) for repeat in repeats if repeat is not None)
    return _Flow(_bounded(sized.width), _bounded(sized.height), min(sized.count * times, MAX_NUMBER))


def _bounded(side: float) -> float:
    return max(0, min(side, MAX_NUMBER))


def _resized(graph: JsonGraph, node_id: str, fed: _Flow) -> _Flow:
    inputs = _inputs(graph, node_id)
    stated = _stated_size(graph, node_id, fed)
    if stated is not None:
        return stated
    megapixels = _number(graph, inputs.get("megapixels"))
    if megapixels is not None and megapixels > 0:
        return _with_pixels(fed, megapixels * MEGAPIXEL)
    longest = _number(graph, inputs.get("largest_size"))
    if longest is not None and longest > 0 and fed.pixels > 0:
        return fed.scaled(longest / max(fed.width, fed.height))
    if "outpaint" in str(graph[node_id].get("class_type")).casefold():
        left, right, top, bottom = (_number(graph, inputs.get(name)) or 0 for name in _BORDER_INPUTS)
        return _Flow(fed.width + left + right, fed.height + top + bottom, fed.count)
    return fed.scaled(_factor(graph, inputs))


def _stated_size(graph: JsonGraph, node_id: str, fed: _Flow) -> _Flow | None:
    # Text encoders of SDXL have sizes too: hints for the model, four times as large as the image.
    if str(graph[node_id].get("class_type")).startswith("CLIPTextEncode"):
        return None
    inputs = _inputs(graph, node_id)
    for width_name, height_name in _SIZE_INPUTS:
        width, height = _number(graph, inputs.get(width_name)), _number(graph, inputs.get(height_name))
        if width is None or height is None or max(width, height) <= 0:
            continue
        if min(width, height) > 0:
            return _Flow(width, height, fed.count)
        if fed.pixels > 0:  # ImageScale keeps the proportions when one side is 0
            return fed.scaled(width / fed.width if width > 0 else height / fed.height)
    return None


def _with_pixels(fed: _Flow, pixels: float) -> _Flow:
    if fed.pixels <= 0:
        side = math.sqrt(pixels)
        return _Flow(side, side, fed.count)
    return fed.scaled(math.sqrt(pixels / fed.pixels))


def _factor(graph: JsonGraph, inputs: Mapping[str, Any]) -> float:
    for name in _FACTOR_INPUTS:
        factor = _number(graph, inputs.get(name))
        if factor is not None and factor > 0:
            return factor
    return MODEL_FACTOR if is_link(inputs.get("upscale_model")) else 1


def _steps(graph: JsonGraph, node_id: str) -> int:
    inputs = _inputs(graph, node_id)
    steps = _number(graph, inputs.get("steps"))
    if steps is None:
        return 0
    start = _number(graph, inputs.get("start_at_step")) or 0
    end = _number(graph, inputs.get("end_at_step"))
    return max(0, round(min(steps, steps if end is None else end) - max(0, start)))


def _number(graph: JsonGraph, value: object) -> float | None:
    """Return a literal number, following links to number nodes for at most `MAX_HOPS`."""
    for _hop in range(MAX_HOPS):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return max(-MAX_NUMBER, min(MAX_NUMBER, value)) if value == value else None
        if not is_link(value) or value[0] not in graph:
            return None
        value = _held(_inputs(graph, value[0]))
    return None


def _held(inputs: Mapping[str, Any]) -> object:
    """Return the value of a node with a single value, such as PrimitiveInt; None for every other node."""
    if "value" in inputs:
        return inputs["value"]
    return next(iter(inputs.values())) if len(inputs) == 1 else None
