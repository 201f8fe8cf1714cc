"""Finds sampler settings: seeds, steps and other values of samplers and of the nodes that feed them."""

from collections.abc import Iterator
from dataclasses import replace

from bot.i18n import _
from bot.workflow.graph.graph import Node
from bot.workflow.importer.detect.maker import ProposalMaker, is_picture_input, is_seed_name
from bot.workflow.importer.detect.proposal import OptionProposal, Use
from bot.workflow.importer.detect.reading import GraphReading, linked, painted_on
from bot.workflow.importer.detect.wiring import (
    Wanted,
    is_number,
    is_text,
    is_whole,
)

MOST_VARIANTS = 2
"""Options for one role whose values differ between samplers."""

_INPUTS: tuple[tuple[str, tuple[str, ...], Wanted], ...] = (
    ("steps", ("steps",), is_whole),
    ("cfg", ("cfg", "cfg_scale"), is_number),
    ("guidance", ("guidance",), is_number),
    ("sampler", ("sampler_name", "sampler"), is_text),
    ("scheduler", ("scheduler",), is_text),
)


class Samplers:
    """The settings of the `main` samplers; the seed is one for all samplers."""

    def __init__(self, reading: GraphReading, maker: ProposalMaker, main: tuple[Node, ...]) -> None:
        self._reading = reading
        self._main = {node.id for node in main}
        self._maker = maker
        self._canvases: dict[str, str] = {}

    def proposals(self) -> Iterator[OptionProposal]:
        """Yield one option for values that are equal everywhere, and a second one where they differ."""
        yield from self._seeds()
        yield from self._strengths()
        serving = self._serving()
        for role, names, wanted in _INPUTS:
            by_value: dict[object, list[Use]] = {}
            for node in serving:
                for name in names:
                    use = self._reading.use(node, name, wanted)
                    if use:
                        by_value.setdefault(self._reading.wiring.value(use.target), []).append(use)
            for uses in list(by_value.values())[:MOST_VARIANTS]:
                made = self._maker.of_role(role, uses)
                if made:
                    yield self._whole(made, uses) if role == "steps" else made

    def _serving(self) -> list[Node]:
        """Return the main samplers, then the nodes that they depend on."""
        if not self._reading.samplers:
            return list(self._reading.nodes)
        seen: dict[str, Node] = {}
        for sampler in self._reading.samplers:
            if sampler.id not in self._main:
                continue
            before = self._reading.wiring.before([sampler.id])
            seen |= {node.id: node for node in self._reading.nodes if node.id in before and node.id not in seen}
        return sorted(seen.values(), key=lambda node: node.id not in self._reading.sampler_ids)

    def _seeds(self) -> Iterator[OptionProposal]:
        """Yield one seed for all samplers: members want to repeat the whole image, not a part of it."""
        uses = [
            use
            for node in self._reading.nodes
            for name in node.inputs
            if is_seed_name(name) and (use := self._reading.use(node, name, is_whole))
        ]
        made = self._maker.of_role("seed", uses)
        if made:
            yield made

    def _whole(self, made: OptionProposal, uses: list[Use]) -> OptionProposal:
        """Keep the steps above the one at which one sampler takes over from another."""
        turns = [
            turn
            for use in uses
            for name in ("start_at_step", "end_at_step")
            if is_whole(turn := self._reading.wiring.graph.nodes[use.target.node_id].inputs.get(name))
        ]
        own = made.default
        inner = [turn for turn in turns if isinstance(own, int) and 0 < turn < own]
        if not inner:
            return made
        remark = _("Steps must exceed {step} (the base/refiner switch is fixed).", step=max(inner))
        return replace(made, minimum=max(inner) + 1, remark=remark)

    # ------------------------------------------------------------------ how much of an image stays

    def _strengths(self) -> Iterator[OptionProposal]:
        by_role: dict[str, list[Use]] = {}
        for node in self._reading.nodes:
            use = self._reading.use(node, "denoise", is_number)
            sampler = self._reading.sampler_of(node) if use else None
            role = self._role_of_denoise(sampler, use) if use and sampler and sampler.id in self._main else ""
            if use and role:
                by_role.setdefault(role, []).append(use)
        for role, uses in by_role.items():
            value = self._reading.wiring.value
            made = self._maker.of_role(role, [use for use in uses if value(use.target) == value(uses[0].target)])
            if made:
                yield made

    def _role_of_denoise(self, sampler: Node, use: Use) -> str:
        """Denoise is the strength where a member's image is painted over; it is fixed on an empty latent."""
        if sampler.id not in self._canvases:
            self._canvases[sampler.id] = self._canvas(sampler)
        role = self._canvases[sampler.id]
        return "" if role == "denoise" and self._reading.wiring.value(use.target) >= 1 else role

    def _canvas(self, sampler: Node) -> str:
        """Return the role that denoise has for what a sampler works on."""
        seen: set[str] = set()
        waiting = painted_on(sampler)
        while waiting:
            node = self._reading.wiring.graph.nodes[waiting.pop()]
            if node.id in seen:
                continue
            seen.add(node.id)
            if node.id in self._reading.sampler_ids:
                return "denoise"
            if _encodes(node):
                return "strength" if self._has_picture(node) else ""
            waiting += painted_on(node)
        return ""

    def _has_picture(self, node: Node) -> bool:
        before = (self._reading.wiring.graph.nodes[each] for each in self._reading.wiring.before([node.id]))
        return any(_is_picture(each) for each in before)


def _is_picture(node: Node) -> bool:
    return any(
        isinstance(value, str) and is_picture_input(node.class_type, name) for name, value in node.inputs.items()
    )


def _encodes(node: Node) -> bool:
    return any(name == "pixels" for name, _feeder in linked(node))
