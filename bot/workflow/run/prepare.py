"""Turns what a member entered into a run: checks all values, fills in defaults, and sets them on a copy of the graph.

Pure: definitions and randomness are arguments. Text is never substituted into JSON; values are only set on inputs that
were bound when the workflow was loaded.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.bypass import bypass
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph, Target
from bot.workflow.manifest.loras import Lora, chain
from bot.workflow.manifest.manifest import PRESET
from bot.workflow.manifest.options import (
    ConstantOption,
    ImageOption,
    ModelOption,
    Option,
    SeedOption,
)
from bot.workflow.manifest.values import AllowedValues, RandomSource
from bot.workflow.patterns import matching
from bot.workflow.run.check import check
from bot.workflow.run.events import InputFile
from bot.workflow.run.live_limits import allowed
from bot.workflow.run.needs import GIGABYTE, InputAddress, Needs
from bot.workflow.run.spec import RunSpec, Upload
from bot.workflow.text_format import listed, nearest, shown
from bot.workflow.workflow import Workflow

__all__ = ["check", "fits", "prepare", "resolve_for_server"]


def prepare(
    workflow: Workflow,
    given: Mapping[str, object],
    *,
    definitions: Definitions,
    random: RandomSource,
    defaults: Mapping[str, object] | None = None,
) -> RunSpec:
    """Return the run for `given` (option name → raw value; None or absent: not given).

    Other values come from the preset named in `given`, then `defaults`, the manifest, and the graph, in this order.
    With empty `definitions` (no server known) only the author's limits apply. A mask that belongs to another image
    must already be in that image's alpha channel. Raises `InputError`, which names the option and the accepted values.
    """
    said = _user_values(workflow, given, defaults or {}, definitions)
    used = {
        name: _used(workflow, name, said.get(name), allowed(workflow, name, definitions), random)
        for name in workflow.manifest.options
    }
    graph = workflow.graph.to_json()
    for target, value in _settings(workflow, used):
        graph[target.node_id]["inputs"][target.input_name] = value
    _reshape(workflow, used, graph, definitions)
    uploads, left_open = tuple(_uploads(workflow, used, graph)), dict(_left_open(workflow, said))
    return RunSpec(
        workflow=workflow.name,
        title=workflow.manifest.title,
        graph=graph,
        uploads=uploads,
        outputs=tuple(node_id for node_id in workflow.outputs if node_id in graph),
        output_kinds=dict(workflow.output_kinds),
        values=dict(_reported(workflow, used)),
        options={name: _filled(workflow, name, graph) for name in workflow.bindings},
        left_open=left_open,
        matches={name: option.match for name, option in workflow.manifest.options.items() if option.match},
        idle_limit=workflow.manifest.idle_limit,
        seconds=workflow.manifest.seconds or 0.0,
        version=workflow.version,
        needs=_needs(workflow, graph, definitions, left_open, uploads),
    )


def _needs(
    workflow: Workflow,
    graph: JsonGraph,
    definitions: Definitions,
    left_open: Mapping[str, str],
    uploads: Sequence[Upload],
) -> Needs:
    return Needs.of(
        graph,
        definitions,
        vram=round((workflow.manifest.vram or 0) * GIGABYTE),
        left_open={
            (target.node_id, target.input_name): workflow.manifest.options[name].match
            for name in left_open
            for target in workflow.bindings[name]
        },
        uploaded=_places(target for upload in uploads for target in upload.targets),
    )


def resolve_for_server(spec: RunSpec, definitions: Definitions) -> RunSpec:
    """Return the run for one server: options that the member left open get values that the server has."""
    changed = {
        name: live[0]
        for name, source in spec.left_open.items()
        if (live := matching(definitions.choices(source), spec.matches.get(name, ())))
        and spec.values.get(name) not in live
    }
    if not changed:
        return spec
    graph = copy.deepcopy(spec.graph)
    for name, value in changed.items():
        for target in spec.options[name]:
            graph[target.node_id]["inputs"][target.input_name] = value
    return replace(spec, graph=graph, values={**spec.values, **changed})


# ------------------------------------------------------------------ values


def _user_values(
    workflow: Workflow, given: Mapping[str, object], defaults: Mapping[str, object], definitions: Definitions
) -> dict[str, object]:
    """Return the value of each option from the first source that has one: member, preset, defaults.

    Invalid defaults are skipped, because the member did not set them and cannot correct them.
    """
    options = workflow.manifest.options
    said = dict(given)
    preset = said.pop(PRESET, None) if workflow.manifest.presets else None
    for name in said:
        if name not in options or options[name].is_hidden:
            raise InputError(_unknown(name, workflow))
    fitting = {name: value for name, value in defaults.items() if fits(workflow, name, value, definitions)}
    fallbacks = {**fitting, **_preset(workflow, preset)}
    for name, value in fallbacks.items():
        if name in options and not _is_given(options[name], said.get(name)):
            said[name] = value
    return said


def fits(workflow: Workflow, name: str, value: object, definitions: Definitions) -> bool:
    """Whether members could give this option this value."""
    option = workflow.manifest.options.get(name)
    if option is None or option.is_hidden or option.is_file:
        return False
    try:
        option.read(value, allowed(workflow, name, definitions))
    except RefusedValueError:
        return False
    return True


def _preset(workflow: Workflow, wanted: object) -> Mapping[str, object]:
    if wanted is None or not str(wanted).strip():
        return {}
    for name, preset in workflow.manifest.presets.items():
        if str(wanted).strip().casefold() in (name.casefold(), preset.title.casefold()):
            return preset.values
    titles = listed([preset.title for preset in workflow.manifest.presets.values()])
    raise InputError(_("There is no preset “{name}”. Available: {known}.", name=shown(wanted), known=titles))


def _unknown(name: str, workflow: Workflow) -> Message:
    options = [each for each, option in workflow.manifest.options.items() if not option.is_hidden]
    guess = nearest(name, options)
    if guess is not None:
        return _("There is no option “{option}”. Did you mean “{guess}”?", option=shown(name), guess=guess)
    return _("There is no option “{option}”. Available: {known}.", option=shown(name), known=listed(options, 25))


def _used(workflow: Workflow, name: str, given: object, limits: AllowedValues, random: RandomSource) -> object:
    """Return the value to set; None to keep the graph's own."""
    option = workflow.manifest.options[name]
    if isinstance(option, ConstantOption):
        return option.value
    if _is_given(option, given):
        return option.parse(name, given, limits)
    if option.required:
        raise InputError(_("**{option}** is required.", option=name))
    if isinstance(option, SeedOption) and option.default is None:
        return None if option.bypass else option.draw(random, limits)
    if isinstance(option, ModelOption) and option.default is None:
        return None if option.bypass else option.parse(name, _at_hand(workflow.own_value(name), limits), limits)
    unsaid = workflow.unsaid_value(name)
    if option.is_settled and unsaid is not None and _at_hand(unsaid, limits) != unsaid:
        return option.parse(name, _at_hand(unsaid, limits), limits)
    value = None if unsaid is None else option.parse(name, unsaid, limits)
    return None if option.default is None else value


def _is_given(option: Option, value: object) -> bool:
    """Whether a value was given. Forms send empty text for untouched fields, so it only counts for text options."""
    if isinstance(value, str) and not value.strip():
        return option.kind == "text"
    return value is not None


def _left_open(workflow: Workflow, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, option in workflow.manifest.options.items():
        if option.is_settled and option.source is not None and not _is_given(option, given.get(name)):
            yield name, option.source


def _at_hand(own: object, limits: AllowedValues) -> object:
    """Return the author's choice if servers have it, else their first, so shipped workflows run on any checkpoint."""
    if limits.live is None or own in limits.live:
        return own
    return limits.live[0] if limits.live else own


# ------------------------------------------------------------------ the graph


def _settings(workflow: Workflow, used: Mapping[str, object]) -> Iterator[tuple[Target, object]]:
    for name, value in used.items():
        option = workflow.manifest.options[name]
        if isinstance(option, ImageOption) and isinstance(value, InputFile) and name in workflow.fits:
            yield workflow.fits[name], option.fit_factor(value)
        if option.is_file or value is None:
            continue
        for bind, target in zip(option.bindings, workflow.bindings[name], strict=False):
            try:
                yield target, bind.apply(value)
            except RefusedValueError as refusal:
                raise InputError(_("**{option}** {reason}", option=name, reason=refusal.reason)) from refusal


def _reshape(workflow: Workflow, used: Mapping[str, object], graph: JsonGraph, definitions: Definitions) -> None:
    """Chain LoRA loaders, and bypass the nodes of options that are empty or off."""
    left_out: list[str] = []
    for name, option in workflow.manifest.options.items():
        value = used[name]
        if option.is_off(value if value is not None else workflow.unsaid_value(name)):
            left_out += workflow.bypassed.get(name, ())
            left_out += [workflow.loaders[name]] if name in workflow.loaders else []
        elif name in workflow.loaders and isinstance(value, tuple):
            chain(graph, workflow.loaders[name], cast("tuple[Lora, ...]", value))
    if left_out:
        bypass(graph, left_out, definitions, workflow.outputs)


def _uploads(workflow: Workflow, used: Mapping[str, object], graph: JsonGraph) -> Iterator[Upload]:
    for name, value in used.items():
        targets = tuple(target for target in workflow.bindings[name] if target.node_id in graph)
        if isinstance(value, InputFile) and targets:
            yield Upload(value, targets)


def _reported(workflow: Workflow, used: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in used.items():
        option = workflow.manifest.options[name]
        if option.is_hidden:
            continue
        if value is None:
            value = workflow.unsaid_value(name)
        if value is not None:
            yield name, option.reported(value)


def _places(targets: Iterable[Target]) -> frozenset[InputAddress]:
    return frozenset((target.node_id, target.input_name) for target in targets)


def _filled(workflow: Workflow, name: str, graph: JsonGraph) -> tuple[Target, ...]:
    fit = workflow.fits.get(name)
    targets = workflow.bindings[name] if fit is None else (*workflow.bindings[name], fit)
    return tuple(target for target in targets if target.node_id in graph)
