"""Finds the files that a member attaches (images, masks, video, audio), and the scale factor of upscalers."""

import re
from collections.abc import Iterator
from dataclasses import replace

from bot.i18n import _
from bot.workflow.graph.graph import Node, Target
from bot.workflow.importer.detect.maker import (
    CLIPS,
    ProposalMaker,
    file_kind,
    is_picture_input,
)
from bot.workflow.importer.detect.proposal import RANKS, OptionProposal, Use
from bot.workflow.importer.detect.reading import GraphReading
from bot.workflow.importer.detect.wiring import is_number, is_text
from bot.workflow.text_format import shown

_ANY = frozenset(
    {"image", "images", "pixels", "any", "anything", "input", "value", "video", "audio", "mask", "samples", "source"}
)
"""Input names that say nothing about what a file is for."""
_FIRST, _LAST = re.compile(r"^(?:start|first)"), re.compile(r"^(?:end|last)")
_COUNTED = re.compile(r"[0-9]$")
MAX_HOPS = 6
"""Nodes between a file and the input that says what it is for."""
PICTURE, MASK = 0, 1
"""The outputs of Load Image."""


class InputImages:
    def __init__(self, reading: GraphReading, maker: ProposalMaker) -> None:
        self._reading = reading
        self._maker = maker

    def proposals(self) -> Iterator[OptionProposal]:
        """Yield images, masks, video and audio, and the factor of a graph that only upscales."""
        nodes = [(node, use) for node in self._reading.nodes if (use := self._picture(node))]
        masks = [(node, use) for node, use in nodes if self._is_mask(node)]
        pictures = sorted(((node, use) for node, use in nodes if (node, use) not in masks), key=self._place)
        alone = len(pictures) == 1 and not any("mask" in node.class_type.casefold() for node, _use in masks)
        if alone and len(masks) <= 1 and (masks or self._feeds(pictures[0][0], MASK)):
            yield from self._masked(pictures[0][0], [use for _node, use in (*pictures, *masks)])
        else:
            for role, several in (("image", pictures), ("mask", masks)):
                told = self._distinguished(role, [node for node, _use in several])
                for (node, use), description in zip(several, told, strict=True):
                    yield from self._plain(role, node, use, description)
        yield from self._clips()
        yield from self._factor()

    def _clips(self) -> Iterator[OptionProposal]:
        for kind in CLIPS:
            nodes = [
                (node, use)
                for node in self._reading.nodes
                for name in node.inputs
                if file_kind(node.class_type, name) == kind and (use := self._reading.use(node, name, is_text))
            ]
            told = self._distinguished(kind, [node for node, _use in nodes])
            for (_node, use), description in zip(nodes, told, strict=True):
                made = self._maker.of_role(kind, [use])
                if made:
                    yield replace(made, description=description or made.description)

    def _distinguished(self, role: str, nodes: list[Node]) -> list[str]:
        """Return descriptions that tell several files apart: by node title, or else by purpose."""
        if len(nodes) <= 1:
            return [""] * len(nodes)
        names = [shown(node.title, 40) for node in nodes]
        if len(set(names)) < len(nodes):
            purposes = [self._purpose(node) for node in nodes]
            numbered = [f"{name} {at}" for at, name in enumerate(names, start=1)]
            names = purposes if len(set(purposes)) == len(nodes) and all(purposes) else numbered
        return [shown(f"The {role} for “{name}”", 100) for name in names]

    def _place(self, entry: tuple[Node, Use]) -> tuple[int, str]:
        """Sort the start of a video first and its end last, and numbered inputs by number."""
        purpose = self._purpose(entry[0])
        return (
            2 if _LAST.search(purpose) else 0 if _FIRST.search(purpose) else 1,
            purpose if _COUNTED.search(purpose) else "",
        )

    def _purpose(self, node: Node) -> str:
        """Return the first meaningful name of an input that a file leads to; empty when there is none nearby."""
        seen, waiting = {node.id}, [(node.id, PICTURE)]
        for _hop in range(MAX_HOPS):
            readers = [
                target
                for node_id, slot in waiting
                for target, each in self._reading.wiring.readers(node_id)
                if each == slot and target.node_id in self._reading.alive and target.node_id not in seen
            ]
            for target in readers:
                name = target.input_name.casefold().rpartition(".")[2]
                if name not in _ANY:
                    return name.replace("_", " ")
            seen |= {target.node_id for target in readers}
            waiting = [(target.node_id, 0) for target in readers]
        return ""

    def _plain(self, role: str, node: Node, use: Use, description: str) -> Iterator[OptionProposal]:
        made = self._maker.of_role(role, [use])
        if made is None:
            return
        if description:
            made = replace(made, description=description)
        is_picture = self._feeds(node, PICTURE)
        if self._feeds(node, MASK):
            hint = "transparent areas are edited"
            told = f"{made.description}; {hint}" if is_picture else f"Image; {hint}"
            made = replace(made, description=shown(told, 100), needs_mask=True)
        yield replace(made, fit=self._fit(node))

    def _masked(self, node: Node, uses: list[Use]) -> Iterator[OptionProposal]:
        """Yield an image whose transparent areas are the mask, and a second attachment that can replace them."""
        made = self._maker.of_role("image", uses)
        if made is None:
            return
        told = "Image to edit: its transparent areas, unless you attach a mask"
        yield replace(made, description=told, needs_mask=True, fit=self._fit(node))
        yield OptionProposal(
            "mask", "image", "Mask: a second image, white where to edit, black elsewhere", mask_of="image",
            rank=RANKS["mask"],
        )  # fmt: skip

    def _picture(self, node: Node) -> Use | None:
        for name in node.inputs:
            use = self._reading.use(node, name, is_text) if is_picture_input(node.class_type, name) else None
            if use:
                return use
        return None

    def _is_mask(self, node: Node) -> bool:
        if "mask" in node.class_type.casefold():
            return True
        return self._feeds(node, MASK) and not self._feeds(node, PICTURE)

    def _feeds(self, node: Node, slot: int) -> bool:
        alive = self._reading.alive
        return any(each == slot and target.node_id in alive for target, each in self._reading.wiring.readers(node.id))

    def _fit(self, node: Node) -> Target | None:
        """Return the scale factor of 1 right behind an image, which is there to scale down large ones."""
        if not self._reading.samplers:
            return None
        for target, slot in self._reading.wiring.readers(node.id):
            reader = self._reading.wiring.graph.nodes[target.node_id]
            if slot == PICTURE and reader.inputs.get("scale_by") == 1 and is_number(reader.inputs["scale_by"]):
                return Target(reader.id, "scale_by")
        return None

    def _factor(self) -> Iterator[OptionProposal]:
        for node in self._reading.nodes:
            name = "upscale_by" if "upscale_by" in node.inputs else "scale_by"
            if self._reading.samplers and name == "scale_by":
                continue  # one step of the graph, not its purpose
            use = self._reading.use(node, name, is_number)
            made = self._maker.of_role("factor", [use]) if use else None
            if made:
                yield made
                return


def too_large_remark(proposal: OptionProposal) -> OptionProposal:
    """Add a remark for the author if an image is used at any size."""
    if proposal.kind != "image" or proposal.fit or proposal.mask_of:
        return proposal
    remark = _(
        "Attached images are used at full size. To scale down large ones, put a node “Upscale Image By”"
        " (scale_by 1) behind this one, then set fit and max_megapixels."
    )
    return replace(proposal, remark=remark)
