"""Finds the models that members can choose: checkpoints, LoRAs and their strength, ControlNets, upscalers."""

import re
from collections.abc import Iterator

from bot.workflow.graph.graph import Node
from bot.workflow.graph.input_names import is_model_file
from bot.workflow.importer.detect.maker import ProposalMaker
from bot.workflow.importer.detect.proposal import OptionProposal, Use
from bot.workflow.importer.detect.reading import GraphReading
from bot.workflow.importer.detect.wiring import is_number, is_text

MOST_ALIKE = 5
"""Options for models of one kind."""

_LOADERS: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    ("checkpoint", "ckpt_name", re.compile("")),
    ("model", "unet_name", re.compile("")),
    ("model", "model_name", re.compile("diffusion|unet|gguf")),
    ("model", "model", re.compile("model_?loader|load.*model")),
    ("lora", "lora_name", re.compile("")),
    ("controlnet", "control_net_name", re.compile("")),
    ("upscaler", "model_name", re.compile("upscale")),
)
"""Role, input, and a pattern for the node's class."""


class Loaders:
    def __init__(self, reading: GraphReading, maker: ProposalMaker, main: tuple[Node, ...]) -> None:
        self._reading = reading
        self._main = main
        self._maker = maker

    def proposals(self) -> Iterator[OptionProposal]:
        """Yield one option per model file; a LoRA's strength follows it."""
        by_file: dict[tuple[str, str, object], list[Use]] = {}
        for node in self._in_use():
            for role, name, kind in _LOADERS:
                use = self._reading.use(node, name, is_text) if kind.search(node.class_type.casefold()) else None
                if use:
                    value = self._reading.wiring.value(use.target)
                    by_file.setdefault((role, use.source, value), []).append(use)
        counts: dict[str, int] = {}
        for (role, _source, _value), uses in by_file.items():
            counts[role] = counts.get(role, 0) + 1
            if counts[role] <= MOST_ALIKE:
                yield from self._made(role, uses)
        yield from self._control_strengths()

    def _in_use(self) -> list[Node]:
        """Return all nodes, starting with those that the main samplers depend on."""
        seen: dict[str, Node] = {}
        for sampler in self._main:
            before = self._reading.wiring.before([sampler.id])
            seen |= {node.id: node for node in self._reading.nodes if node.id in before and node.id not in seen}
        return [*seen.values(), *(node for node in self._reading.nodes if node.id not in seen)]

    def _made(self, role: str, uses: list[Use]) -> Iterator[OptionProposal]:
        made = self._maker.of_role(role, uses)
        if not made or (role == "model" and not self._is_file(uses[0])):
            return
        yield made
        if role == "lora":
            strengths = [
                use
                for each in uses
                for name in ("strength_model", "strength_clip", "strength")
                if (use := self._strength(each, name, uses[0]))
            ]
            strength = self._maker.of_role("lora_strength", strengths)
            if strength:
                yield strength

    def _strength(self, lora: Use, name: str, first: Use) -> Use | None:
        """Return a LoRA's strength if it equals the first one's, so that they change together."""
        nodes = self._reading.wiring.graph.nodes
        use = self._reading.use(nodes[lora.target.node_id], name, is_number)
        main = next((each for each in ("strength_model", "strength") if each in nodes[first.target.node_id].inputs), "")
        wanted = self._reading.use(nodes[first.target.node_id], main, is_number)
        value = self._reading.wiring.value
        return use if use and wanted and value(use.target) == value(wanted.target) else None

    def _is_file(self, use: Use) -> bool:
        definition = self._maker.definition(use)
        return is_model_file(str(self._reading.wiring.value(use.target))) or definition is not None

    def _control_strengths(self) -> Iterator[OptionProposal]:
        uses = [
            use
            for node in self._reading.nodes
            if "control_net" in node.inputs and (use := self._reading.use(node, "strength", is_number))
        ]
        for use in uses[:MOST_ALIKE]:
            made = self._maker.of_role("control_strength", [use])
            if made:
                yield made
