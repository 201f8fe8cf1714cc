"""Finds the image size by following latents back from the samplers."""

from collections.abc import Iterator
from typing import NamedTuple

from bot.workflow.graph.graph import Node
from bot.workflow.importer.detect.maker import ProposalMaker
from bot.workflow.importer.detect.proposal import OptionProposal, Use
from bot.workflow.importer.detect.reading import GraphReading, beneath, linked
from bot.workflow.importer.detect.wiring import is_number, is_text, is_whole

_LENGTHS = ("length", "num_frames", "video_frames", "frames", "frame_count")
_NAMED_SIZES = ("resolution", "dimensions", "aspect_ratio", "size_selected", "size")
_COUNTS = ("batch_size",)


class _LatentSize(NamedTuple):
    node: Node
    width: Use
    height: Use


class LatentSizes:
    def __init__(self, reading: GraphReading, maker: ProposalMaker) -> None:
        self._reading = reading
        self._maker = maker

    def proposals(self) -> Iterator[OptionProposal]:
        """Yield width, height, count and length of the first latent that has them."""
        nodes = list(self._canvases())
        size = next((found for node in nodes if (found := self._size(node))), None)
        if size:
            yield from self._sides(size)
            before = nodes[: nodes.index(size.node)]
            yield from self._amounts(next((node for node in before if _has_length(node)), size.node))
            return
        yield from self._named(nodes)
        for node in nodes if self._reading.samplers else ():
            if any(name in node.inputs for name in (*_COUNTS, *_LENGTHS, "seconds")):
                yield from self._amounts(node)
                return

    def _canvases(self) -> Iterator[Node]:
        """Yield the nodes that samplers work on, the first sampler's first; without samplers, all nodes."""
        seen: set[str] = set()
        for start in (*self._bases(), *(sampler.id for sampler in self._reading.samplers)):
            waiting = [start]
            while waiting:
                node_id = waiting.pop(0)
                if node_id in seen:
                    continue
                seen.add(node_id)
                node = self._reading.wiring.graph.nodes[node_id]
                yield node
                # A latent can take its size from an image, which may be an empty one
                waiting += beneath(node) or [feeder for name, feeder in linked(node) if name in ("width", "height")]
        if not self._reading.samplers:
            yield from self._reading.nodes

    def _bases(self) -> Iterator[str]:
        """Yield the bottom layers of composited latents, the last one first: it is as large as the result."""
        for node in reversed(self._reading.nodes) if self._reading.samplers else ():
            base = _base(node)
            while base is not None:
                last, base = base, _base(self._reading.wiring.graph.nodes[base])
                if base is None:
                    yield last

    def _size(self, node: Node) -> _LatentSize | None:
        name = node.class_type.casefold()
        # Sizes of encoders are hints for the model; those of later passes derive from the first
        if "textencode" in name or "upscale" in name or "crop" in name or "composite" in name:
            return None
        for prefix in ("", "empty_latent_"):
            width = self._reading.use(node, f"{prefix}width", is_whole)
            height = self._reading.use(node, f"{prefix}height", is_whole)
            if width and height:
                return _LatentSize(node, width, height)
        return None

    def _sides(self, size: _LatentSize) -> Iterator[OptionProposal]:
        if size.width.target == size.height.target:
            yield from self._made("size", [size.width])
            return
        for name, use in (("width", size.width), ("height", size.height)):
            yield from self._made(name, [use, *self._twins(name, size)])

    def _twins(self, name: str, size: _LatentSize) -> Iterator[Use]:
        """Yield inputs that repeat the size: hints for models and encoders, latents of other samplers."""
        value = self._reading.wiring.value
        wanted = value(size.width.target), value(size.height.target)
        for node in self._reading.nodes:
            for prefix in ("", "target_"):
                both = [self._reading.use(node, f"{prefix}{side}", is_whole) for side in ("width", "height")]
                if node is size.node or None in both:
                    continue
                if tuple(value(use.target) for use in both if use) == wanted:
                    yield from (use for use in both if use and use.input_name == f"{prefix}{name}")

    def _amounts(self, node: Node) -> Iterator[OptionProposal]:
        length = next((use for name in _LENGTHS if (use := self._reading.use(node, name, is_whole))), None)
        if length:
            yield from self._made("length", [length])
        seconds = self._reading.use(node, "seconds", is_number)
        if seconds:
            yield from self._made("seconds", [seconds])
        count = next((use for name in _COUNTS if (use := self._reading.use(node, name, is_whole))), None)
        if count and not length:
            yield from self._made("count", [count])

    def _named(self, nodes: list[Node]) -> Iterator[OptionProposal]:
        """Yield a size that is chosen by name, such as “1024 x 1024”."""
        for node in nodes:
            for name in _NAMED_SIZES:
                use = self._reading.use(node, name, is_text)
                definition = self._maker.definition(use) if use else None
                if use and definition is not None and definition.is_closed:
                    yield from self._made("resolution", [use])
                    return

    def _made(self, name: str, uses: list[Use]) -> Iterator[OptionProposal]:
        made = self._maker.of_role(name, uses)
        if made:
            yield made


def _has_length(node: Node) -> bool:
    return "width" in node.inputs and any(name in node.inputs for name in _LENGTHS)


def _base(node: Node) -> str | None:
    """Return the feeder of the bottom layer of a node that composites latents; None for other nodes."""
    fed = dict(linked(node))
    if "samples_to" in fed and "samples_from" in fed:
        return fed["samples_to"]
    is_other = "latent" in node.class_type.casefold() and "source" in fed
    return fed.get("destination") if is_other else None
