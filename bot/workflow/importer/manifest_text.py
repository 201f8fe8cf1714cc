"""Writes a manifest as TOML in the style of the shipped ones: one table per option, with remarks above it.

The standard library has no TOML writer; strings, numbers and lists of strings are all that is needed here.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from bot.i18n import Message, _
from bot.workflow.importer.detect.proposal import OptionProposal
from bot.workflow.importer.detect.wiring import GraphWiring
from bot.workflow.text_format import shown

MAX_MEGAPIXELS = 1.0
"""Large images are scaled down to this, which most models handle well."""

_REMARK_WIDTH = 500


def manifest_text(title: str, description: str, outputs: Sequence[str], lines: Sequence[str]) -> str:
    """Return a whole manifest; `lines` are the lines of its options."""
    head = [
        f"# {_('Draft: names, descriptions and limits were guessed from the graph. Please review them.')}",
        "schema = 1",
        f"title = {quoted(title)}",
        f"# {_('Shown next to the command in Discord: say what members get.')}",
        f"description = {quoted(description)}",
    ]
    if outputs:
        head.append(f"outputs = {_listed(outputs, always=True)}")
    return "\n".join([*head, *lines]) + "\n"


def option_lines(proposal: OptionProposal, wiring: GraphWiring) -> list[str]:
    """Return the table of one option, preceded by an empty line."""
    return ["", *_remark(proposal.remark), f"[options.{_key(proposal.name)}]", *_keys(proposal, wiring)]


def quoted(text: str) -> str:
    """Return a TOML basic string: JSON's rules, plus the one control character that JSON does not escape."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if name.isascii() else quoted(name)


def _remark(remark: Message | None) -> Iterator[str]:
    if remark is not None:
        yield f"# {shown(remark, _REMARK_WIDTH)}"


def _keys(proposal: OptionProposal, wiring: GraphWiring) -> Iterator[str]:
    yield f"kind = {quoted(proposal.kind)}"
    yield f"description = {quoted(proposal.description)}"
    if proposal.is_required:
        yield "required = true"
    yield from _values(proposal)
    if proposal.needs_mask:
        yield "needs_mask = true"
    if proposal.mask_of:
        yield f"mask_of = {quoted(proposal.mask_of)}"
    if proposal.targets:
        yield f"bind = {_listed([wiring.address(target) for target in proposal.targets])}"
    if proposal.fit:
        yield f"fit = {quoted(wiring.address(proposal.fit))}"
        yield f"max_megapixels = {MAX_MEGAPIXELS}"


def _values(proposal: OptionProposal) -> Iterator[str]:
    if proposal.source and not proposal.choices:
        yield f"from = {quoted(proposal.source)}"
    if proposal.choices:
        yield f"choices = {_listed(proposal.choices, always=True)}"
    for key, value in (
        ("default", proposal.default),
        ("min", proposal.minimum),
        ("max", proposal.maximum),
        ("step", proposal.step),
        ("max_length", proposal.max_length),
    ):
        if value is not None:
            yield f"{key} = {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else repr(value)


def _listed(texts: Iterable[str], *, always: bool = False) -> str:
    quotes = [quoted(each) for each in texts]
    return quotes[0] if len(quotes) == 1 and not always else f"[{', '.join(quotes)}]"
