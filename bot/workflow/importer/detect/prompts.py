"""Finds prompts and negative prompts: from samplers back to encoders, and to where the text is stored.

The samplers' inputs tell positive from negative, or the name of the text's own input where one node has both.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from bot.workflow.graph.graph import Node, Target, is_link
from bot.workflow.graph.input_names import is_media_input
from bot.workflow.importer.detect.maker import ProposalMaker
from bot.workflow.importer.detect.proposal import OptionProposal, Use
from bot.workflow.importer.detect.reading import GraphReading, linked
from bot.workflow.importer.detect.wiring import MAX_HOPS

MOST_PROMPTS = 8
"""Options for texts of one side; more are of no use to members."""

MAX_LOOKED_AT = 200
"""Nodes visited from a sampler to its texts, or from a text to where it is stored; inputs read of one node."""

_TEXT = re.compile(
    r"(?:^|[_.])(?:text|prompt|caption|string|tags|lyrics|instruction)(?:_?(?:[a-z]|[0-9]{1,2}))?$"
    r"|^(?:text|prompt)_|^(?:positive|negative|clip_l|clip_g|t5xxl|llama|bert|mt5xl|value|replace)$",
    re.IGNORECASE,
)
_NOT_TEXT = re.compile(r"system|template|delimiter|separator|prefix|suffix|format|regex|find", re.IGNORECASE)
_TITLED = re.compile(r"prompt|positive|negative", re.IGNORECASE)
_NEGATIVE = re.compile(r"neg", re.IGNORECASE)
_SHOWING = re.compile(r"show|display|preview", re.IGNORECASE)
_EMPTYING = re.compile(r"zero_?out", re.IGNORECASE)

_CONDITIONS = ("positive", "negative")
_MATERIAL = frozenset(
    {
        "model", "clip", "vae", "image", "images", "pixels", "samples", "latent", "latent_image", "control_net", "mask",
        "clip_vision", "clip_vision_output", "style_model", "audio", "noise", "sigmas", "sampler", "start_image",
        "end_image", "vision", "photomaker", "hooks", "bbox_detector", "sam_model_opt",
    }
)  # fmt: skip
"""Inputs that lead to no text about the image."""


class _Side(StrEnum):
    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class _Text:
    """The text of one encoder, whose inputs can share it."""

    uses: tuple[Use, ...]
    is_of_later_pass: bool = False
    """Whether it is the main text of a sampler that refines another one's output."""


class Prompts:
    def __init__(self, reading: GraphReading, maker: ProposalMaker) -> None:
        self._reading = reading
        self._wiring = reading.wiring
        self._maker = maker

    def guided(self) -> tuple[Node, ...]:
        """Return the samplers that a text guides; all samplers when there is none."""
        samplers = self._reading.samplers
        following = (
            sampler
            for sampler in samplers
            if any(next(self._uses(node, _Side.POSITIVE), None) for node in self._encoders(sampler, _Side.POSITIVE))
        )
        return tuple(following) or samplers

    def proposals(self) -> Iterator[OptionProposal]:
        """Yield the options `prompt` and `negative`, and further ones of both by the same names."""
        positive, negative = self._texts(_Side.POSITIVE), self._texts(_Side.NEGATIVE)
        if not positive:
            told = {use.target for text in negative for use in text.uses}
            yield from self._without_samplers(told)
            yield from self._options("negative", negative)
            return
        taken = {use.target for text in positive for use in text.uses}
        negative = [text for text in negative if taken.isdisjoint(use.target for use in text.uses)]
        for role, texts in (("prompt", positive), ("negative", negative)):
            yield from self._options(role, texts)

    def _options(self, role: str, texts: Iterable[_Text]) -> Iterator[OptionProposal]:
        for at, uses in enumerate(list(self._merged(texts))[:MOST_PROMPTS]):
            for made in self._split(role, uses):
                # Further texts describe parts of the image and are optional
                yield (
                    made
                    if at == 0
                    else replace(made, is_required=False, description=f"{made.description}, part {at + 1}")
                )

    def _split(self, role: str, uses: list[Use]) -> Iterator[OptionProposal]:
        """Make lyrics an option of their own beside the tags that describe the song."""
        lyrics = [use for use in uses if use.input_name == "lyrics"]
        for name, part in ((role, [use for use in uses if use not in lyrics]), ("lyrics", lyrics)):
            made = self._maker.of_role(name, part)
            if made:
                yield made

    def _merged(self, texts: Iterable[_Text]) -> Iterator[list[Use]]:
        """Group encoders that have the same text, or that guide another pass over the same image."""
        by_words: dict[str, list[Use]] = {}
        for text in texts:
            words = str(self._wiring.value(text.uses[0].target)).strip()
            if text.is_of_later_pass and words not in by_words and by_words:
                words = next(iter(by_words))
            by_words.setdefault(words, []).extend(text.uses)
        yield from by_words.values()

    def _texts(self, side: _Side) -> list[_Text]:
        found: dict[str, _Text] = {}
        for sampler in self._reading.samplers:
            is_later = self._reading.is_later_pass(sampler) and not self._reading.repaints_a_part(sampler)
            # The text for the whole image comes before those for areas of it
            encoders = sorted(self._encoders(sampler, side), key=_is_laid_over)
            for at, node in enumerate(encoders):
                uses = tuple(self._uses(node, side))
                if uses:
                    found.setdefault(node.id, _Text(uses, is_later and at == 0))
        return list(found.values())

    def _without_samplers(self, known: Collection[Target]) -> Iterator[OptionProposal]:
        """Yield the prompts of nodes that sample and encode in one; inputs in `known` are skipped."""
        for role, side in (("prompt", _Side.POSITIVE), ("negative", _Side.NEGATIVE)):
            texts = [
                _Text(tuple(uses))
                for node in self._reading.nodes
                if (
                    uses := [
                        use
                        for use in self._uses(node, side)
                        if use.target not in known and _is_about_pictures(use, side)
                    ]
                )
            ]
            yield from list(self._options(role, texts))[:1]

    # ------------------------------------------------------------------ from samplers to encoders

    def _encoders(self, sampler: Node, side: _Side) -> Iterator[Node]:
        """Yield the nodes that encode the text that guides a sampler, the nearest first."""
        seen = {sampler.id}
        waiting = list(self._guides(sampler, side))
        while waiting and len(seen) < MAX_LOOKED_AT:
            node = self._reading.wiring.graph.nodes[waiting.pop(0)]
            if node.id in seen or _EMPTYING.search(node.class_type):
                continue
            seen.add(node.id)
            if any(self._text_inputs(node, side)):
                yield node
            if _is_laid_over(node) or not any(self._text_inputs(node, side)):
                waiting.extend(self._guides(node, side))

    def _guides(self, node: Node, side: _Side) -> list[str]:
        """Return the feeders of the inputs that guide a node, of one side if the node has two."""
        fed = dict(linked(node))
        branch = self._wiring.branch(node)
        if branch is not None:
            return [fed[branch]] if branch in fed else []
        if side in fed:
            # Of two conditionings, the second keeps to the image and also carries the negative text
            return [fed[side], *([fed["cond2"]] if side is _Side.NEGATIVE and "cond2" in fed else [])]
        negative = [feeder for name, feeder in fed.items() if _NEGATIVE.match(name)]
        if side is _Side.NEGATIVE and negative:
            return negative
        if side is _Side.POSITIVE and "cond1" in fed:  # of two, the second is about the image to edit
            return [fed["cond1"]]
        if any(each in fed for each in _CONDITIONS):
            return []
        if "guider" in fed:
            return [fed["guider"]]
        conditions = [feeder for name, feeder in fed.items() if name.casefold().startswith("cond")]
        if conditions:
            return conditions
        return [feeder for name, feeder in fed.items() if name not in _MATERIAL]

    # ------------------------------------------------------------------ from encoders to where text is stored

    def _text_inputs(self, node: Node, side: _Side) -> list[str]:
        """Return a node's text inputs, of one side if the node has two."""
        names = [name for name in islice(node.inputs, MAX_LOOKED_AT) if self._is_text_input(node, name)]
        negative = [name for name in names if _NEGATIVE.search(name)]
        if side is _Side.NEGATIVE and (negative or "positive" in names):
            return negative
        return [name for name in names if name not in negative]

    def _is_text_input(self, node: Node, name: str) -> bool:
        if not _TEXT.search(name) or _NOT_TEXT.search(name) or is_media_input(node.class_type, name):
            return False
        definition = self._reading.definitions.input(node.class_type, name)
        if definition is not None and definition.type not in ("STRING", "*") and "STRING" not in definition.type:
            return False
        value = node.inputs[name]
        if isinstance(value, str):
            return not (_SHOWING.search(node.class_type) and any(node.links()))  # shown last, not typed in
        return is_link(value) and (definition is not None or name not in _CONDITIONS)

    def _uses(self, node: Node, side: _Side) -> Iterator[Use]:
        for name in self._text_inputs(node, side):
            target = self._standing(node, name, side)
            if target:
                yield Use(target, node.class_type, name)

    def _standing(self, node: Node, name: str, side: _Side) -> Target | None:
        """Return where an input's text is stored; of several that are joined, the most likely prompt."""
        found: list[Target] = []
        seen: set[str] = set()
        waiting = [(node, name, 0)]
        while waiting:
            node, name, hops = waiting.pop(0)
            value = node.inputs[name]
            if isinstance(value, str):
                found.append(Target(node.id, name))
            elif is_link(value) and value[0] not in seen and hops < MAX_HOPS and len(seen) < MAX_LOOKED_AT:
                seen.add(value[0])
                source = self._reading.wiring.graph.nodes[value[0]]
                waiting += [(source, each, hops + 1) for each in self._handed_on(source, side)]
        return max(found, key=self._worth) if len(found) > 1 else next(iter(found), None)

    def _handed_on(self, node: Node, side: _Side) -> list[str]:
        branch = self._wiring.branch(node)
        if branch is not None:
            return [branch] if isinstance(node.inputs[branch], str) or is_link(node.inputs[branch]) else []
        names = self._text_inputs(node, side)
        if names:
            return names
        if len(node.inputs) == 1:  # a reroute, or a node that holds one value
            return [name for name, value in node.inputs.items() if isinstance(value, str) or is_link(value)]
        return [name for name in ("default", "default_value") if isinstance(node.inputs.get(name), str)]

    def _worth(self, target: Target) -> tuple[bool, bool, int]:
        """Prefer texts titled as a prompt, then those in a node of their own, then the longest."""
        node = self._wiring.graph.nodes[target.node_id]
        is_titled = bool(_TITLED.search(node.title)) and not _NOT_TEXT.search(node.title)
        return is_titled, not any(node.links()), len(str(node.inputs[target.input_name]))


def _is_laid_over(node: Node) -> bool:
    """Whether a node adds its text to other conditioning."""
    return any(name.startswith("conditioning") for name, _feeder in linked(node))


def _is_about_pictures(use: Use, side: _Side) -> bool:
    name = use.input_name.casefold()
    return "prompt" in name or name in ("text", "caption", "instruction", side)
