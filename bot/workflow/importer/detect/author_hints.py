"""Options that an author declared: which input, and perhaps its name, kind, limits and choices.

Claims come before everything that is only found, and are merged with what was found for the same input.
"""

from dataclasses import dataclass, replace

from bot.i18n import Message, _
from bot.workflow.importer.detect.maker import ProposalMaker
from bot.workflow.importer.detect.proposal import OptionProposal, Use
from bot.workflow.importer.naming import option_name
from bot.workflow.manifest.values import Number, Scalar
from bot.workflow.text_format import shown

FIRST = -10_000
"""The rank of the first claim: before everything that is only found."""


@dataclass(frozen=True, slots=True)
class AuthorHint:
    """One option declared by the author; empty fields were not declared."""

    use: Use
    name: str = ""
    description: str = ""
    kind: str = ""
    default: Scalar | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    choices: tuple[str, ...] = ()
    is_required: bool | None = None
    remark: Message | None = None


@dataclass(frozen=True, slots=True)
class ResolvedHints:
    """All proposals, the claimed ones first, and notes on rejected claims."""

    proposals: tuple[OptionProposal, ...]
    notes: tuple[Message, ...]


def resolve_hints(claims: list[AuthorHint], found: list[OptionProposal], maker: ProposalMaker) -> ResolvedHints:
    """Merge claims with what was found: the author's words win, the rest is filled in."""
    places = {target: number for number, proposal in enumerate(found) for target in proposal.targets}
    left: dict[int, OptionProposal] = dict(enumerate(found))
    chosen: list[OptionProposal] = []
    notes: list[Message] = []
    for rank, claim in enumerate(claims, FIRST):
        if any(claim.use.target in proposal.targets for proposal in chosen):
            continue
        base = left.pop(places.get(claim.use.target, -1), None)
        made = base or maker.of_any(claim.name or claim.use.input_name, claim.use, kind=claim.kind)
        if made is None:
            notes.append(_refused(claim))
            continue
        joined = replace(_joined(claim, made, is_found=base is not None), rank=rank)
        chosen.append(joined)
        left |= {
            number: replace(each, mask_of=joined.name)
            for number, each in left.items()
            if base and each.mask_of == base.name
        }
    return ResolvedHints((*chosen, *left.values()), tuple(notes))


def _joined(claim: AuthorHint, made: OptionProposal, *, is_found: bool) -> OptionProposal:
    keeps_kind = is_found and (made.kind in ("seed", "model", "image") or claim.kind in ("", made.kind))
    kind = made.kind if keeps_kind or not claim.kind else claim.kind
    numbers = kind in ("integer", "number")
    default = claim.default if claim.default is not None else (made.default if kind == made.kind else None)
    if claim.is_required:
        default = None
    return replace(
        made,
        name=option_name(claim.name) if claim.name else made.name,
        kind=kind,
        description=shown(claim.description, 100) or made.description,
        default=default,
        minimum=_limit(claim.minimum, made.minimum, kind) if numbers else None,
        maximum=_limit(claim.maximum, made.maximum, kind) if numbers else None,
        step=made.step if numbers else None,
        source=None if claim.choices else (made.source if kind in ("choice", "model") else None),
        choices=claim.choices,
        is_required=made.is_required if claim.is_required is None else claim.is_required,
        remark=claim.remark or made.remark,
    )


def _limit(said: Number | None, found: Number | None, kind: str) -> Number | None:
    limit = found if said is None else said
    return int(limit) if limit is not None and kind == "integer" else limit


def _refused(claim: AuthorHint) -> Message:
    return _(
        "“{input}” of {source} was declared as an option, but members must not set it: it names a file or holds no"
        " plain value. It keeps its value.",
        input=shown(claim.use.input_name),
        source=shown(claim.use.class_type),
    )
