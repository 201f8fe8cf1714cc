"""The current limits of an option: the author's limits, narrowed by those of the connected servers."""

from collections.abc import Iterator

from bot.workflow.graph.definitions import Definitions, InputDefinition
from bot.workflow.manifest.options import Option
from bot.workflow.manifest.values import AllowedValues
from bot.workflow.patterns import matching
from bot.workflow.workflow import Workflow

_NUMBERS = frozenset({"integer", "number", "seed", "size"})


def allowed(workflow: Workflow, name: str, definitions: Definitions) -> AllowedValues:
    """Return the limits of one option; with empty definitions (no server known), only the author's."""
    option = workflow.manifest.options[name]
    own = option.own_limits()
    if not definitions.nodes:
        return own
    known = tuple(input_definitions(workflow, name, definitions)) if option.kind in _NUMBERS else ()
    lows = [low for low in (own.minimum, *(each.minimum for each in known)) if low is not None]
    highs = [high for high in (own.maximum, *(each.maximum for each in known)) if high is not None]
    return AllowedValues(max(lows, default=None), min(highs, default=None), live_choices(option, definitions))


def live_choices(option: Option, definitions: Definitions) -> tuple[str, ...] | None:
    """Return what the servers offer for an option with `from`; None for others, and while no server is known."""
    if option.source is None or not definitions.nodes:
        return None
    return matching(definitions.choices(option.source), option.match)


def input_definitions(workflow: Workflow, name: str, definitions: Definitions) -> Iterator[InputDefinition]:
    """Yield the servers' definitions of the inputs that an option fills, where they have them."""
    binds = workflow.manifest.options[name].bindings
    for bind, target in zip(binds, workflow.bindings[name], strict=False):
        if bind.used - {"part"}:  # the server's limits apply to the changed value, not to what the member gave
            continue
        class_type = workflow.graph.nodes[target.node_id].class_type
        definition = definitions.input(class_type, target.input_name)
        if definition is not None:
            yield definition
