"""Overall progress of a run, computed from its nodes' events.

ComfyUI reports steps per node, not per graph. Sampler nodes take nearly all of the time and so weigh more. The fraction
never decreases and stays below 1 until the result is delivered.
"""

from typing import Any, cast

from bot.jobs.status import RunningStatus
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import NodesCached, NodeStarted, Preview, Progress, RunEvent, RunStarted

SAMPLER_WEIGHT = 12.0
NODE_WEIGHT = 1.0
CEILING = 0.99
"""The last percent is the delivery."""


class ProgressTracker:
    def __init__(self, graph: JsonGraph, *, resubmitted: bool = False) -> None:
        self._titles = {node_id: _title(node) for node_id, node in graph.items()}
        self._weights = {node_id: _weight(node) for node_id, node in graph.items()}
        self._total = sum(self._weights.values()) or NODE_WEIGHT
        self._sources = {node_id: _sources(node) for node_id, node in graph.items()}
        self._done: set[str] = set()
        self._current = ""
        self._share = 0.0
        self._fraction: float | None = None
        self._steps = (0, 0)
        self._preview: bytes | None = None
        self._resubmitted = resubmitted

    def on_event(self, event: RunEvent) -> bool:
        """Process an event; return whether there is something new to show."""
        match event:
            case RunStarted():
                self._fraction = 0.0
            case NodesCached(node_ids):
                self._done.update(node_ids)
            case NodeStarted(node_id):
                self._enter(node_id)
            case Progress(node_id, value, maximum):
                self._enter(node_id)
                self._share = min(max(value / maximum, 0.0), 1.0) if maximum > 0 else 0.0
                self._steps = (int(value), int(maximum)) if maximum > 1 else (0, 0)
            case Preview(data):
                self._preview = data
            case _:
                return False
        self._advance()
        return True

    def report(self, elapsed: float) -> RunningStatus:
        """Return the current status. `elapsed` is in seconds."""
        step, steps = self._steps
        return RunningStatus(
            elapsed=elapsed,
            fraction=self._fraction,
            node=self._titles.get(self._current, ""),
            step=step,
            steps=steps,
            preview=self._preview,
            resubmitted=self._resubmitted,
        )

    def _enter(self, node_id: str) -> None:
        if node_id == self._current:
            return
        if self._current:
            self._done.add(self._current)
        self._current = node_id
        self._finish_before(node_id)
        self._done.discard(node_id)
        self._share = 0.0
        self._steps = (0, 0)

    def _finish_before(self, node_id: str) -> None:
        """Count all ancestors of a node as done: their events are lost after a restart."""
        unseen = list(self._sources.get(node_id, ()))
        while unseen:
            source = unseen.pop()
            if source not in self._done and source in self._sources:
                self._done.add(source)
                unseen.extend(self._sources[source])

    def _advance(self) -> None:
        done = sum(self._weights.get(node_id, 0.0) for node_id in self._done)
        done += self._weights.get(self._current, 0.0) * self._share
        self._fraction = max(self._fraction or 0.0, min(done / self._total, CEILING))


def _title(node: dict[str, Any]) -> str:
    meta: Any = node.get("_meta")
    title: Any = cast("dict[str, Any]", meta).get("title") if isinstance(meta, dict) else None
    return str(title or node.get("class_type", ""))


def _sources(node: dict[str, Any]) -> tuple[str, ...]:
    """Return the ids of the nodes that a node takes inputs from."""
    inputs: Any = node.get("inputs")
    values: list[Any] = list(cast("dict[str, Any]", inputs).values()) if isinstance(inputs, dict) else []
    links = [cast("list[Any]", value) for value in values if isinstance(value, list)]
    return tuple(link[0] for link in links if len(link) == 2 and isinstance(link[0], str))


def _weight(node: dict[str, Any]) -> float:
    # Schedulers have a steps input too but do not sample; "KSamplerSelect" only chooses a sampler
    inputs = node.get("inputs", {})
    samples = "Sampler" in str(node.get("class_type")) and ("steps" in inputs or "latent_image" in inputs)
    return SAMPLER_WEIGHT if samples else NODE_WEIGHT
