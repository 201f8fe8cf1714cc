"""From what a member gave to what a server runs: every value checked, every gap filled, set on a copy of the graph.

Pure: the servers' definitions and chance come in as arguments. Text is never substituted into JSON; values are set on
inputs that were bound when the workflow was loaded.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.check import check
from bot.workflow.definitions import Definitions
from bot.workflow.execution import InputFile
from bot.workflow.limits import allowed
from bot.workflow.needs import GIGABYTE, Needs, Place
from bot.workflow.options import ImageOption, ModelOption, Option, SeedOption
from bot.workflow.spec import RunSpec, Target, Upload
from bot.workflow.values import Allowed, RandomSource
from bot.workflow.wording import listed, nearest, shown
from bot.workflow.workflow import Workflow

__all__ = ["check", "prepare", "settle"]


def prepare(
    workflow: Workflow, given: Mapping[str, object], *, definitions: Definitions, random: RandomSource
) -> RunSpec:
    """Return the run that `given` (option name → raw value; None or absent: not given) asks for.

    Empty `definitions` mean that no server is known: then only the author's limits hold.
    A mask (an option with `mask_of`) is expected to be in the alpha channel of its picture already.
    Raises `InputError`, which names the option and what would do.
    """
    _require_known(workflow, given)
    used = {
        name: _used(workflow, name, given.get(name), allowed(workflow, name, definitions), random)
        for name in workflow.manifest.options
    }
    graph = workflow.graph.to_json()
    for target, value in _settings(workflow, used):
        graph[target.node_id]["inputs"][target.input_name] = value
    uploads, left_open = tuple(_uploads(workflow, used)), dict(_left_open(workflow, given))
    return RunSpec(
        workflow=workflow.name,
        title=workflow.manifest.title,
        graph=graph,
        uploads=uploads,
        outputs=workflow.outputs,
        values=dict(_reported(workflow, used)),
        options={name: _filled(workflow, name) for name in workflow.bindings},
        left_open=left_open,
        idle_limit=workflow.manifest.idle_limit,
        needs=Needs.of(
            graph,
            definitions,
            vram=round((workflow.manifest.vram or 0) * GIGABYTE),
            left_open=_places(target for name in left_open for target in workflow.bindings[name]),
            uploaded=_places(target for upload in uploads for target in upload.targets),
        ),
    )


def settle(spec: RunSpec, definitions: Definitions) -> RunSpec:
    """Return the run as a certain server can do it: what the member left open becomes something that it has."""
    changed = {
        name: live[0]
        for name, source in spec.left_open.items()
        if (live := definitions.choices(source)) and spec.values.get(name) not in live
    }
    if not changed:
        return spec
    graph = copy.deepcopy(spec.graph)
    for name, value in changed.items():
        for target in spec.options[name]:
            graph[target.node_id]["inputs"][target.input_name] = value
    return replace(spec, graph=graph, values={**spec.values, **changed})


def _require_known(workflow: Workflow, given: Mapping[str, object]) -> None:
    options = workflow.manifest.options
    for name in given:
        if name not in options:
            raise InputError(_unknown(name, workflow))


def _unknown(name: str, workflow: Workflow) -> Message:
    guess = nearest(name, workflow.manifest.options)
    if guess is not None:
        return _("There is no option “{option}”. Did you mean “{guess}”?", option=shown(name), guess=guess)
    known = listed(workflow.manifest.options, 25)
    return _("There is no option “{option}”. There are: {known}.", option=shown(name), known=known)


def _used(workflow: Workflow, name: str, given: object, limits: Allowed, random: RandomSource) -> object:
    """Return the value to set; None where the graph's own stays."""
    option = workflow.manifest.options[name]
    if _is_given(option, given):
        return option.parse(name, given, limits)
    if option.required:
        raise InputError(_("{option}: is needed ({description}).", option=name, description=option.description))
    if isinstance(option, SeedOption) and option.default is None:
        return option.draw(random, limits)
    if isinstance(option, ModelOption) and option.default is None:
        return option.parse(name, _at_hand(workflow.own_value(name), limits), limits)
    unsaid = workflow.unsaid_value(name)
    if option.source is not None and _at_hand(unsaid, limits) != unsaid:
        return option.parse(name, _at_hand(unsaid, limits), limits)
    value = None if unsaid is None else option.parse(name, unsaid, limits)
    return None if option.default is None else value


def _is_given(option: Option, value: object) -> bool:
    """An empty text is a value for a text option only: forms send it for every field that was left alone."""
    if isinstance(value, str) and not value.strip():
        return option.kind == "text"
    return value is not None


def _left_open(workflow: Workflow, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, option in workflow.manifest.options.items():
        if option.source is not None and not _is_given(option, given.get(name)):
            yield name, option.source


def _at_hand(own: object, limits: Allowed) -> object:
    """Return the author's choice where servers have it, else their first: a shipped workflow runs on any checkpoint."""
    if limits.live is None or own in limits.live:
        return own
    return limits.live[0] if limits.live else own


def _settings(workflow: Workflow, used: Mapping[str, object]) -> Iterator[tuple[Target, object]]:
    for name, value in used.items():
        option = workflow.manifest.options[name]
        if isinstance(option, ImageOption):
            if isinstance(value, InputFile) and name in workflow.fits:
                yield workflow.fits[name], option.fit_factor(value)
        elif value is not None:
            yield from ((target, value) for target in workflow.bindings[name])


def _uploads(workflow: Workflow, used: Mapping[str, object]) -> Iterator[Upload]:
    for name, value in used.items():
        if isinstance(value, InputFile) and workflow.bindings[name]:
            yield Upload(value, workflow.bindings[name])


def _reported(workflow: Workflow, used: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in used.items():
        if isinstance(value, InputFile):
            yield name, value.name
        elif value is not None:
            yield name, value
        elif (kept := workflow.unsaid_value(name)) is not None:
            yield name, kept


def _places(targets: Iterable[Target]) -> frozenset[Place]:
    return frozenset((target.node_id, target.input_name) for target in targets)


def _filled(workflow: Workflow, name: str) -> tuple[Target, ...]:
    fit = workflow.fits.get(name)
    return workflow.bindings[name] if fit is None else (*workflow.bindings[name], fit)
