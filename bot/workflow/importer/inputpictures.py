"""Finds the pictures that a member attaches, the masks among them, and by how much they are made larger."""

from collections.abc import Iterator
from dataclasses import replace

from bot.i18n import _
from bot.workflow.graph import Node
from bot.workflow.importer.maker import Maker, is_picture_input
from bot.workflow.importer.proposal import RANKS, Proposal, Use
from bot.workflow.importer.reading import Reading
from bot.workflow.importer.wiring import is_number, is_text
from bot.workflow.spec import Target
from bot.workflow.wording import shown

PICTURE, MASK = 0, 1
"""The outputs of Load Image."""


class InputPictures:
    """The attachments of one graph."""

    def __init__(self, reading: Reading, maker: Maker) -> None:
        self._reading = reading
        self._maker = maker

    def proposals(self) -> Iterator[Proposal]:
        """Yield `image` and `mask`, further ones by the same names, and the factor of a graph that only enlarges."""
        nodes = [(node, use) for node in self._reading.nodes if (use := self._picture(node))]
        masks = [(node, use) for node, use in nodes if self._is_mask(node)]
        pictures = [(node, use) for node, use in nodes if (node, use) not in masks]
        alone = len(pictures) == 1 and not any("mask" in node.class_type.casefold() for node, _use in masks)
        if alone and len(masks) <= 1 and (masks or self._feeds(pictures[0][0], MASK)):
            yield from self._masked(pictures[0][0], [use for _node, use in (*pictures, *masks)])
        else:
            for role, several in (("image", pictures), ("mask", masks)):
                for node, use in several:
                    yield from self._plain(role, node, use, is_one=len(several) == 1)
        yield from self._factor()

    def _plain(self, role: str, node: Node, use: Use, *, is_one: bool) -> Iterator[Proposal]:
        made = self._maker.of_role(role, [use])
        if made is None:
            return
        if not is_one:
            made = replace(made, description=shown(f"The {role} for “{shown(node.title, 40)}”", 100))
        is_picture = self._feeds(node, PICTURE)
        if self._feeds(node, MASK):
            hint = "its transparent areas are where to work"
            told = f"{made.description}; {hint}" if is_picture else f"A picture; {hint}"
            made = replace(made, description=shown(told, 100), needs_mask=True)
        yield replace(made, fit=self._fit(node))

    def _masked(self, node: Node, uses: list[Use]) -> Iterator[Proposal]:
        """One picture whose transparent areas are the mask, and a second attachment that may take their place."""
        made = self._maker.of_role("image", uses)
        if made is None:
            return
        told = "The picture; its transparent areas are where to work, unless you attach a mask"
        yield replace(made, description=told, needs_mask=True, fit=self._fit(node))
        yield Proposal(
            "mask", "image", "A second picture, white where to work and black elsewhere", mask_of="image",
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
        """Return the factor of 1 that waits behind a picture for large ones to be made smaller."""
        if not self._reading.samplers:
            return None
        for target, slot in self._reading.wiring.readers(node.id):
            reader = self._reading.wiring.graph.nodes[target.node_id]
            if slot == PICTURE and reader.inputs.get("scale_by") == 1 and is_number(reader.inputs["scale_by"]):
                return Target(reader.id, "scale_by")
        return None

    def _factor(self) -> Iterator[Proposal]:
        for node in self._reading.nodes:
            name = "upscale_by" if "upscale_by" in node.inputs else "scale_by"
            if self._reading.samplers and name == "scale_by":
                continue  # a part of the work, not what it is for
            use = self._reading.use(node, name, is_number)
            made = self._maker.of_role("factor", [use]) if use else None
            if made:
                yield made
                return


def too_large_remark(proposal: Proposal) -> Proposal:
    """Tell the author of a picture that is worked on at any size."""
    if proposal.kind != "image" or proposal.fit or proposal.mask_of:
        return proposal
    remark = _(
        "Pictures are worked on as large as they are. To make large ones smaller, put a node “Upscale Image By”"
        " (scale_by 1) behind this one, then set fit and max_megapixels."
    )
    return replace(proposal, remark=remark)
