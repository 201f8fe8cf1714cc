"""Trees of message components: walking, reading, and showing them as Discord returns them."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.wire.http_json import Json

ACTION_ROW, BUTTON, TEXT_DISPLAY, GALLERY, LABEL = 1, 2, 10, 12, 18
V2_ONLY = frozenset({9, 10, 11, 12, 13, 14, 17})
ATTACHMENT_SCHEME = "attachment://"
CHILD_KEYS = ("components", "accessory", "component")


def walk(components: list[Json]) -> Iterator[Json]:
    """Yield every component, parents before their children."""
    for component in components:
        yield component
        for key in CHILD_KEYS:
            child: list[Json] | Json = component.get(key) or []
            yield from walk([child] if isinstance(child, dict) else child)


def texts(components: list[Json]) -> list[str]:
    """Return what all text displays say, in reading order."""
    return [component.get("content", "") for component in walk(components) if component.get("type") == TEXT_DISPLAY]


def media_urls(value: object) -> Iterator[str]:
    """Yield the address of every picture and file anywhere below `value`."""
    for node in _nodes(value):
        for key in ("media", "file"):
            item: Any = node.get(key)
            if isinstance(item, dict) and "url" in item:
                yield str(item["url"])  # pyright: ignore[reportUnknownArgumentType] # JSON has no element types


def find_custom(components: list[Json], custom_id: str) -> Json:
    """Return the component with this custom id. Raises LookupError that lists those that exist."""
    known: list[str] = []
    for component in walk(components):
        if component.get("custom_id") == custom_id:
            return component
        if "custom_id" in component:
            known.append(component["custom_id"])
    raise LookupError(f"no component {custom_id!r}; there are {known}")


def rendered(components: list[Json], resolve: Callable[[str], Json]) -> list[Json]:
    """Return the tree with ids given and `attachment://` addresses replaced by what `resolve` knows of the file."""
    counter = iter(range(1, 10_000))

    def copy(value: Any, *, is_component: bool) -> Any:
        if isinstance(value, list):
            return [copy(entry, is_component=is_component) for entry in value]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(value, dict):
            return value
        node: Json = value  # pyright: ignore[reportUnknownVariableType] # JSON has no element types
        if isinstance(url := node.get("url"), str) and url.startswith(ATTACHMENT_SCHEME):
            return {**node, **resolve(url.removeprefix(ATTACHMENT_SCHEME))}
        head: Json = {"id": node.get("id") or next(counter)} if is_component else {}
        body = {key: copy(child, is_component=key in CHILD_KEYS) for key, child in node.items()}
        return {**body, **head}

    return copy(components, is_component=True)


def _nodes(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        node: Json = value  # pyright: ignore[reportUnknownVariableType] # JSON has no element types
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:  # pyright: ignore[reportUnknownVariableType] # JSON has no element types
            yield from _nodes(child)
