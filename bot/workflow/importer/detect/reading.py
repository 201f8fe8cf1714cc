"""What a graph does: the nodes that save results, what they depend on, and the samplers among those.

Nodes are recognized by the names of their inputs, so packs that follow the stock nodes' conventions work as well.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Node, is_link
from bot.workflow.importer.detect.proposal import Use
from bot.workflow.importer.detect.wiring import GraphWiring, Wanted

MAX_SAMPLERS = 32
"""Real graphs have one to three; each is followed through the whole graph."""

_SAVING = re.compile(r"save|combine|websocket")
_MASKING = re.compile(r"mask|inpaint", re.IGNORECASE)
_SHOWING = re.compile(r"preview|show|display|compare|inspect")

_PAINTED_ON = frozenset({"image_embeds", "video_latent"})
_PICTURES = frozenset({"pixels", "image", "images", "start_image"})

_OF_SAMPLERS = frozenset({"steps", "sampler_name", "cfg", "sigmas", "sampler", "denoise", "seed", "noise_seed"})


class GraphReading:
    def __init__(self, wiring: GraphWiring, definitions: Definitions) -> None:
        self.wiring = wiring
        self.definitions = definitions

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The nodes whose files are the result: those that save, else those that show, else the ends of the graph."""
        nodes = self.wiring.graph.nodes.values()
        ends = [node for node in nodes if self._is_output(node)]
        if not ends:
            ends = [node for node in nodes if any(node.links()) and not self.wiring.readers(node.id)]
        # Some classes are declared as outputs but still feed other nodes
        ends = [node for node in ends if not self.wiring.readers(node.id)] or ends
        saving = [node.id for node in ends if not _SHOWING.search(node.class_type.casefold())]
        return tuple(saving or (node.id for node in ends))

    @cached_property
    def alive(self) -> frozenset[str]:
        """The nodes that the result depends on; all nodes if the result is unknown."""
        return frozenset(self.wiring.before(self.outputs) if self.outputs else self.wiring.graph.nodes)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of `alive`, each after those that feed it."""
        return tuple(self.wiring.in_order(self.alive))

    @cached_property
    def samplers(self) -> tuple[Node, ...]:
        """The first `MAX_SAMPLERS` samplers, each after those that feed it."""
        return tuple(islice((node for node in self.nodes if is_sampler(node)), MAX_SAMPLERS))

    @cached_property
    def sampler_ids(self) -> frozenset[str]:
        return frozenset(node.id for node in self.samplers)

    def use(self, node: Node, input_name: str, wanted: Wanted) -> Use | None:
        """Return the value of an input, wherever it is stored; None if there is none that can be set."""
        if input_name not in node.inputs:
            return None
        target = self.wiring.literal(node.id, input_name, wanted)
        return Use(target, node.class_type, input_name) if target else None

    def sampler_of(self, node: Node) -> Node | None:
        """Return the sampler that depends on a node, or the node itself if it is one."""
        return self._served.get(node.id)

    @cached_property
    def _served(self) -> dict[str, Node]:
        served = {sampler.id: sampler for sampler in self.samplers}
        for sampler in self.samplers:
            for node_id in self.wiring.before([sampler.id]):
                served.setdefault(node_id, sampler)
        return served

    def is_later_pass(self, sampler: Node) -> bool:
        """Whether a sampler refines another one's output."""
        seen: set[str] = set()
        waiting = beneath(sampler)
        while waiting:
            node = self.wiring.graph.nodes[waiting.pop()]
            if node.id in seen:
                continue
            if node.id in self.sampler_ids:
                return node is not sampler
            seen.add(node.id)
            waiting += beneath(node)
        return False

    def repaints_a_part(self, sampler: Node) -> bool:
        """Whether a sampler works within a mask, on a given image or another sampler's output."""
        seen: set[str] = set()
        waiting = painted_on(sampler)
        while waiting:
            node = self.wiring.graph.nodes[waiting.pop()]
            if node.id in seen or node.id in self.sampler_ids:
                continue
            if _MASKING.search(node.class_type) and any("mask" in name for name, _feeder in linked(node)):
                return True
            seen.add(node.id)
            waiting += beneath(node)
        return False

    def _is_output(self, node: Node) -> bool:
        known = self.definitions.nodes.get(node.class_type)
        if known is not None:
            return known.is_output
        if self.wiring.readers(node.id):
            return False
        name = node.class_type.casefold()
        return bool(_SAVING.search(name) or _SHOWING.search(name)) and any(node.links())


def is_sampler(node: Node) -> bool:
    """Whether a node samples: it takes a model and settings for it."""
    fed = {name for name, _link in node.links()}
    if "guider" in fed and ("sigmas" in fed or "noise" in fed):
        return True
    own = _OF_SAMPLERS.intersection(node.inputs)
    if "positive" in fed:
        return len(own) >= 2
    return "model" in fed and "steps" in own and bool({"seed", "noise_seed"} & own)


def painted_on(node: Node) -> list[str]:
    """Return the feeders of a node's latent inputs."""
    return [feeder for name, feeder in linked(node) if name in _PAINTED_ON or name.startswith(("samples", "latent"))]


def beneath(node: Node) -> list[str]:
    """Return the feeders of a node's latent; behind an image encoder, those of its image."""
    return painted_on(node) or [feeder for name, feeder in linked(node) if name in _PICTURES]


def linked(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a node that other nodes feed, with the id of the feeder."""
    for name, value in node.inputs.items():
        if is_link(value):
            yield name, value[0]
