"""Drafts a command from a graph: the options that members probably want, bound to the inputs that hold them.

Reads what the author declared first (App mode, marker nodes, placeholders), then the graph itself. Pure. The result is
a pair that loads, with notes on everything that was not understood.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from bot.i18n import Message, _
from bot.workflow.errors import WorkflowError
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Graph, JsonGraph, is_link
from bot.workflow.graph.validation import circles
from bot.workflow.importer.detect.app_mode import AppMode
from bot.workflow.importer.detect.author_hints import ResolvedHints, resolve_hints
from bot.workflow.importer.detect.input_images import InputImages, too_large_remark
from bot.workflow.importer.detect.latent_size import LatentSizes
from bot.workflow.importer.detect.loaders import Loaders
from bot.workflow.importer.detect.maker import ProposalMaker
from bot.workflow.importer.detect.markers import Markers
from bot.workflow.importer.detect.omissions import skipped
from bot.workflow.importer.detect.placeholders import Placeholders
from bot.workflow.importer.detect.prompts import Prompts
from bot.workflow.importer.detect.proposal import OptionProposal
from bot.workflow.importer.detect.reading import GraphReading
from bot.workflow.importer.detect.samplers import Samplers
from bot.workflow.importer.detect.wiring import GraphWiring
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.manifest_text import manifest_text, option_lines
from bot.workflow.importer.naming import command_name, option_name, title_of, unique
from bot.workflow.importer.risks import risks
from bot.workflow.importer.ui_format.ui_graph import MAX_NODES, too_many_nodes
from bot.workflow.manifest.manifest import (
    ADVANCED,
    PRESET,
    SLASH_OPTIONS,
    Manifest,
)
from bot.workflow.run.check import check
from bot.workflow.text_format import listed
from bot.workflow.workflow import Workflow

MAX_BINDS = 64
"""Inputs that one option sets; a graph with more repeats itself for another reason."""

MAX_OUTPUTS = 12
"""Nodes that a manifest lists by name; with more than these, all are shown."""
MAX_PROPOSALS = 60
"""Options that are considered; more than twice Discord's limit."""

MAX_NOTES = 40


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed pair, to be reviewed before it becomes a command."""

    name: str
    """The command's name, derived from the given one."""
    manifest: str = field(repr=False)
    """TOML, with comments where its author has to decide."""
    graph: JsonGraph = field(repr=False)
    workflow: Workflow = field(repr=False)
    """The same pair, loaded."""
    notes: tuple[Message, ...] = ()
    """What was not understood or skipped, a sentence each."""
    warnings: tuple[Message, ...] = ()
    """What the graph accesses beyond itself, a sentence each."""


def draft(graph: JsonGraph, definitions: Definitions, *, document: object = None, name: str = "") -> Draft:
    """Return the proposed command. `document` is the UI-format document of the same workflow, if there is one.

    Without `definitions`, kinds of unknown values are guessed. Raises `WorkflowImportError` for an invalid graph.
    """
    parsed = _parsed(graph)
    if next(circles(parsed), None):
        graph = _known_links(graph, definitions)
        parsed = _parsed(graph)
        for reason in circles(parsed):
            raise WorkflowImportError(reason)
    return _Drafting(parsed, definitions, document, command_name(name)).run(graph)


def _known_links(graph: JsonGraph, definitions: Definitions) -> JsonGraph:
    """Return the graph without links into inputs that the server does not know and ignores."""
    kept: JsonGraph = {}
    for node_id, node in graph.items():
        class_type, inputs = node["class_type"], node["inputs"]
        known = {
            name: value
            for name, value in inputs.items()
            if class_type not in definitions.nodes or not is_link(value) or definitions.input(class_type, name)
        }
        kept[node_id] = {**node, "inputs": known}
    return kept


def _parsed(graph: JsonGraph) -> Graph:
    if len(graph) > MAX_NODES:
        raise too_many_nodes()
    try:
        return Graph.parse(json.dumps(graph), "graph")
    except WorkflowError as error:
        raise WorkflowImportError(*error.reasons) from error
    except (ValueError, RecursionError) as error:
        raise WorkflowImportError(_("contains values that cannot be saved.")) from error


class _Drafting:
    def __init__(self, graph: Graph, definitions: Definitions, document: object, name: str) -> None:
        self._graph = graph
        self._placeholders = Placeholders(graph, definitions)
        self._wiring = GraphWiring(self._placeholders.filled())
        self._definitions = definitions
        self._reading = GraphReading(self._wiring, definitions)
        self._maker = ProposalMaker(self._wiring, definitions)
        self._appmode = AppMode(document, self._wiring)
        self._name = name
        self._notes: list[Message] = []
        self._loaded: dict[str, Workflow] = {}

    def run(self, raw: JsonGraph) -> Draft:
        settled = self._settled()
        self._notes += settled.notes
        ordered = [too_large_remark(each) for each in self._named(settled.proposals)]
        kept = _parted(self._counted(self._sound(self._bounded(ordered))))
        manifest = self._text([line for each in kept for line in option_lines(each, self._wiring)])
        workflow = self._built(manifest)
        self._notes += skipped(self._reading, workflow)
        if self._definitions.nodes:
            self._notes += check(workflow, self._definitions)
        notes = tuple({str(note): note for note in self._notes}.values())[:MAX_NOTES]
        given = {target for targets in workflow.bindings.values() for target in targets}
        return Draft(self._name, manifest, raw, workflow, notes, risks(self._graph, given))

    def _settled(self) -> ResolvedHints:
        markers = Markers(self._wiring)
        claims = [*self._appmode.bus(), *markers.bus(), *self._placeholders.bus()]
        settled = resolve_hints(claims[:MAX_PROPOSALS], list(self._found()), self._maker)
        self._notes += (*markers.notes, *self._placeholders.notes)
        return settled

    def _found(self) -> Iterator[OptionProposal]:
        """Yield options found in the graph itself; each value belongs to the first finder of it."""
        taken: set[object] = set()
        reading, maker = self._reading, self._maker
        prompts = Prompts(reading, maker)
        main = prompts.guided()
        finders = (InputImages(reading, maker), prompts, LatentSizes(reading, maker), Samplers(reading, maker, main))
        for lookup in (*finders, Loaders(reading, maker, main)):
            for proposal in lookup.proposals():
                targets = tuple(target for target in proposal.targets if target not in taken)
                taken.update(targets)
                if targets or proposal.mask_of:
                    yield replace(proposal, targets=targets)

    def _named(self, proposals: Sequence[OptionProposal]) -> list[OptionProposal]:
        """Sort options and give each a unique name; masks follow the image that they belong to."""
        named: list[OptionProposal] = []
        taken = {ADVANCED, PRESET} if len(proposals) > SLASH_OPTIONS else set[str]()
        first = sorted(proposals, key=lambda each: each.rank)[:MAX_PROPOSALS]
        if len(proposals) > MAX_PROPOSALS:
            self._notes.append(
                _("Only {limit} of {count} values were considered.", count=len(proposals), limit=MAX_PROPOSALS)
            )
        for proposal in sorted(first, key=lambda each: (each.mask_of is not None, each.rank)):
            own = unique(option_name(proposal.name), {*taken, *(each.name for each in named)})
            named.append(replace(proposal, name=own))
        return sorted(named, key=lambda each: each.rank)

    def _bounded(self, proposals: list[OptionProposal]) -> Iterator[OptionProposal]:
        for proposal in proposals:
            if len(proposal.targets) > MAX_BINDS:
                self._notes.append(
                    _("“{option}” only sets the first {limit} of its inputs.", option=proposal.name, limit=MAX_BINDS)
                )
            yield replace(proposal, targets=proposal.targets[:MAX_BINDS])

    def _sound(self, proposals: Iterator[OptionProposal]) -> list[OptionProposal]:
        """Drop proposals that would keep the pair from loading, and note the reasons."""
        every, sound = list(proposals), list[OptionProposal]()
        if not self._faults(self._counted(every)):
            return every
        for proposal in every:
            needed = [each for each in sound if each.name == proposal.mask_of]
            faults = self._faults([*needed, proposal])
            self._notes += [_("Skipped: {reason}", reason=reason) for reason in faults]
            if not faults:
                sound.append(proposal)
        return sound

    def _faults(self, proposals: Sequence[OptionProposal]) -> Sequence[Message]:
        try:
            self._load(self._text([line for each in proposals for line in option_lines(each, self._wiring)]))
        except WorkflowError as error:
            return error.reasons
        return ()

    def _counted(self, proposals: list[OptionProposal]) -> list[OptionProposal]:
        """Drop required options beyond Discord's limit; other surplus options are asked for in a form."""
        if len(proposals) <= SLASH_OPTIONS:
            return proposals
        rest = [each for each in proposals if each.is_required][SLASH_OPTIONS - 1 :]
        if rest:
            names = listed([each.name for each in rest])
            self._notes.append(
                _(
                    "Discord allows {limit} options; kept fixed: {names}.",
                    limit=SLASH_OPTIONS,
                    names=names,
                )
            )
        left_out = {each.name for each in rest}
        return [each for each in proposals if not {each.name, each.mask_of} & left_out]

    # ------------------------------------------------------------------ the manifest

    def _text(self, lines: Sequence[str]) -> str:
        outputs = [self._wiring.selector(node_id) for node_id in self._outputs()]
        classes = [self._graph.nodes[node_id].class_type for node_id in self._reading.outputs]
        return manifest_text(title_of(self._name), _described(lines, classes), outputs, lines)

    def _outputs(self) -> Sequence[str]:
        """Return the nodes to show; none when there are too many to list, which shows all that is saved."""
        found = self._appmode.outputs() or self._reading.outputs
        return found if len(found) <= MAX_OUTPUTS else ()

    def _built(self, manifest: str) -> Workflow:
        try:
            return self._load(manifest)
        except WorkflowError as error:
            raise WorkflowImportError(*error.reasons) from error

    def _load(self, text: str) -> Workflow:
        if text not in self._loaded:
            manifest = Manifest.parse(text.encode(), f"{self._name}.toml")
            self._loaded[text] = Workflow.build(self._name, manifest, self._graph, f"{self._name}.toml")
        return self._loaded[text]


def _parted(proposals: list[OptionProposal]) -> list[OptionProposal]:
    """Mark where the author's own choice ends."""
    at = next((at for at, each in enumerate(proposals) if each.rank >= 0), 0)
    if at == 0:
        return proposals
    remark = _("The author's own choice ends here. The options below come from the graph: delete unneeded ones.")
    first = proposals[at]
    told = first.remark
    joined = Message("{first} {second}", {"first": remark, "second": told}) if told else remark
    return [*proposals[:at], replace(first, remark=joined), *proposals[at + 1 :]]


def _described(lines: Sequence[str], classes: Sequence[str]) -> str:
    tables = set(lines)
    given = [name for name in ("image", "video", "audio") if f"[options.{name}]" in tables]
    made = next((what for what, names in _MADE if classes and all(names.search(each) for each in classes)), "")
    if made:
        of = {"image": "an image", "video": "a video", "audio": "audio"}[given[0]] if given else "text"
        return f"Process {of}" if of == made else f"Turn {of} into {made}" if given else f"Generate {made} from {of}"
    if "video" in given or "audio" in given:
        return "Process a video" if "video" in given else "Process audio"
    if given:
        return "Create a new image from an existing one" if "[options.prompt]" in tables else "Process an image"
    return "Generate an image from text" if "[options.prompt]" in tables else "Run this workflow"


_MADE = (
    ("a video", re.compile(r"video|webm|animated|gif", re.IGNORECASE)),
    ("audio", re.compile(r"audio|sound|music", re.IGNORECASE)),
    ("a 3D model", re.compile(r"3d|glb|mesh", re.IGNORECASE)),
)
"""What a graph makes, by the classes of the nodes that save or show it."""
