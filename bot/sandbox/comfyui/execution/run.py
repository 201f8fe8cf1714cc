"""One run of a graph: executes its nodes, sends frames, applies faults and builds the history entry."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bot.sandbox.comfyui.definitions import NodeCatalog
from bot.sandbox.comfyui.execution.cache import Cached, NodeCache, signatures
from bot.sandbox.comfyui.execution.failures import describe_blocked, describe_failure
from bot.sandbox.comfyui.execution.memory import ModelMemory
from bot.sandbox.comfyui.execution.queue import Item, PromptQueue
from bot.sandbox.comfyui.execution.schedule import needed, pick
from bot.sandbox.comfyui.execution.stopping import Stopper
from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.frames import PromptFrames
from bot.sandbox.comfyui.nodes.call import Context, Inputs, InterruptedRunError, NodeFailedError, Result, json_object
from bot.sandbox.comfyui.nodes.registry import QUICK, SLOW
from bot.sandbox.comfyui.state import Generation, NodeFault, ServerState


@dataclass(frozen=True, slots=True)
class Blocker:
    """Passed along links instead of a value: dependent nodes do not run. Without a message, no error is sent."""

    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Components shared by all runs of a server."""

    state: ServerState
    folders: Folders
    catalog: NodeCatalog
    queue: PromptQueue
    stopper: Stopper
    cache: NodeCache
    memory: ModelMemory
    temp_prefix: str


class GraphRun:
    def __init__(self, item: Item, frames: PromptFrames, workshop: Workshop) -> None:
        self._graph = cast("dict[str, Any]", item[2])
        self._targets = cast("list[str]", item[4])
        self._frames = frames
        self._shop = workshop
        self._extra = json_object(json_object(item[3]).get("extra_pnginfo"))
        self._values: dict[str, tuple[Any, ...] | Blocker] = {}
        self._executed: list[str] = []
        self._outputs: dict[str, Any] = {}
        self._meta: dict[str, Any] = {}

    async def run(self) -> dict[str, Any]:
        """Run the graph and return the history entry without its "prompt"."""
        self._frames.lifecycle("execution_start")
        signed = signatures(self._graph, self._shop.folders)
        self._shop.cache.begin(set(signed.values()), self._shop.state.generation)
        cached = {node_id: known for node_id, key in signed.items() if (known := self._shop.cache.get(key))}
        self._frames.lifecycle("execution_cached", nodes=list(cached))
        self._recall(cached)
        ok = await self._run_all(signed, cached)
        if ok:
            self._frames.lifecycle("execution_success")
        status = {"status_str": "success" if ok else "error", "completed": ok, "messages": self._frames.messages}
        return {"outputs": self._outputs, "status": status, "meta": self._meta}

    def _recall(self, cached: dict[str, Cached]) -> None:
        """Report cached results of output nodes again; the old generation lists even unrequested ones."""
        for node_id, known in cached.items():
            self._values[node_id] = known.values
            is_wanted = node_id in self._targets
            if known.ui is None or not (is_wanted or self._shop.state.generation is Generation.OLD):
                continue
            self._remember(node_id, known.ui, first_id=known.node_id)
            if is_wanted:
                self._frames.executed(node_id, known.ui)
                self._frames.finished(node_id)

    async def _run_all(self, signed: dict[str, str], cached: dict[str, Cached]) -> bool:
        waiting = [node_id for node_id in needed(self._graph, self._targets) if node_id not in cached]
        while waiting:
            node_id = pick(waiting, self._graph, set(self._values), self._shop.catalog.is_output)
            waiting.remove(node_id)
            self._frames.started(node_id)
            try:
                await self._run_node(node_id, signed[node_id])
            except InterruptedRunError:
                self._tell_end("execution_interrupted", node_id)
                return False
            except Exception as error:
                described = describe_failure(error, self._graph[node_id]["inputs"], list(self._graph))
                self._tell_end("execution_error", node_id, **described)
                return False
            self._executed.append(node_id)
        return True

    def _tell_end(self, kind: str, node_id: str, **data: Any) -> None:
        node_type = self._graph[node_id]["class_type"]
        self._frames.lifecycle(kind, node_id=node_id, node_type=node_type, executed=self._executed, **data)

    # ------------------------------------------------------------ one node

    async def _run_node(self, node_id: str, signature: str) -> None:
        class_type = self._graph[node_id]["class_type"]
        self._check_interrupt()
        fault = self._fault(node_id, class_type)
        inputs = self._inputs(node_id)
        blocker = next((value for value in inputs.values() if isinstance(value, Blocker)), None)
        if fault is not None and fault.exception_type == "ExecutionBlocked":
            blocker = Blocker(fault.message or None)
            if not self._shop.catalog.is_output(class_type):  # it created the blocker; dependent nodes report it
                self._finish_blocked(node_id, blocker)
                return
        if blocker is not None:
            self._tell_blocked(node_id, class_type, blocker)
            self._finish_blocked(node_id, Blocker(None))
            return
        if fault is not None:
            raise NodeFailedError(fault.message, fault.exception_type)
        result = await self._call(node_id, class_type, inputs)
        self._finish(node_id, class_type, signature, result)

    def _finish(self, node_id: str, class_type: str, signature: str, result: Result) -> None:
        self._values[node_id] = result.values
        ui = self._altered(result.ui, node_id, class_type)
        if ui is not None:
            self._frames.executed(node_id, ui)
            self._remember(node_id, ui, first_id=node_id)
        self._shop.cache.put(signature, Cached(result.values, ui, node_id))
        self._frames.finished(node_id)

    async def _call(self, node_id: str, class_type: str, inputs: Inputs) -> Result:
        context = Context(
            state=self._shop.state,
            folders=self._shop.folders,
            memory=self._shop.memory,
            ticker=_NodeTicker(node_id, self._frames, self._check_interrupt),
            interrupt=self._interrupt,
            graph=self._graph,
            extra_pnginfo=self._extra,
            temp_prefix=self._shop.temp_prefix,
        )
        if class_type in SLOW:
            return await SLOW[class_type](inputs, context)
        return await asyncio.to_thread(QUICK[class_type], inputs, context)

    def _inputs(self, node_id: str) -> Inputs:
        inputs = Inputs()
        for name, value in cast("dict[str, Any]", self._graph[node_id]["inputs"]).items():
            if isinstance(value, list):
                source, slot = cast("list[Any]", value)
                given = self._values[source]
                inputs[name] = given if isinstance(given, Blocker) else given[slot]
            else:
                inputs[name] = value
        return inputs

    # ------------------------------------------------------------ scenario

    def _fault(self, node_id: str, class_type: str) -> NodeFault | None:
        faults = self._shop.state.node_faults
        return faults.get(node_id) or faults.get(class_type)

    def _tell_blocked(self, node_id: str, class_type: str, blocker: Blocker) -> None:
        if blocker.message is not None:
            described = describe_blocked(blocker.message)
            self._frames.blocked(node_id=node_id, node_type=class_type, executed=self._executed, **described)

    def _finish_blocked(self, node_id: str, blocker: Blocker) -> None:
        self._values[node_id] = blocker
        self._frames.finished(node_id)

    def _check_interrupt(self) -> None:
        if self._shop.queue.interrupted:
            self._shop.queue.interrupted = False
            raise InterruptedRunError

    def _interrupt(self) -> None:
        self._shop.queue.interrupted = True

    def _altered(self, ui: dict[str, Any] | None, node_id: str, class_type: str) -> dict[str, Any] | None:
        """Apply the scenario's output faults."""
        state = self._shop.state
        if ui is None or state.dropped_outputs & {node_id, class_type}:
            return None
        if state.delete_outputs:
            for entry in ui.get("images", []):
                Path(self._shop.folders.root, entry["type"], entry["subfolder"], entry["filename"]).unlink()
        return {**ui, **({"score": [float("nan")]} if state.nan_in_output else {}), **state.extra_output}

    def _remember(self, node_id: str, ui: dict[str, Any], *, first_id: str) -> None:
        self._outputs[node_id] = ui
        names = {"node_id": first_id, "display_node": first_id, "parent_node": None, "real_node_id": first_id}
        self._meta[node_id] = names


class _NodeTicker:
    """Reports a node's steps, and checks for an interrupt at each."""

    def __init__(self, node_id: str, frames: PromptFrames, check: Callable[[], None]) -> None:
        self._node_id = node_id
        self._frames = frames
        self._check = check

    async def tick(self, value: float, maximum: float, preview: Callable[[], bytes] | None = None) -> None:
        self._check()
        picture = None
        if preview is not None and self._frames.has_viewers:
            picture = (await asyncio.to_thread(preview), "image/jpeg")
        self._frames.tick(self._node_id, value, maximum, picture)

    def deliver(self, value: float, maximum: float, png: bytes) -> None:
        self._check()
        self._frames.tick(self._node_id, value, maximum, (png, "image/png"))
