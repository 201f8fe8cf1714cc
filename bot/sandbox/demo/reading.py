"""Reads a message as a member sees it: its text from all kinds of components, and its colours."""

from collections.abc import Iterator
from typing import Any

import discord


def text_of(message: discord.Message) -> str:
    """Return all text of `message`: content, embeds, text displays, and the labels of its buttons."""
    parts = [message.content, *_of_embeds(message)]
    for component in message.components:
        parts.extend(_of_component(component.to_dict()))
    return "\n".join(part for part in parts if part)


def accents_of(message: discord.Message) -> list[int]:
    """Return the colours of the containers of `message`."""
    return [
        component.accent_colour.value
        for component in message.components
        if isinstance(component, discord.Container) and component.accent_colour is not None
    ]


def _of_embeds(message: discord.Message) -> Iterator[str]:
    for embed in message.embeds:
        yield from (embed.title or "", embed.description or "")
        for field in embed.fields:
            yield f"{field.name}: {field.value}"
        yield embed.footer.text or ""


def _of_component(component: Any) -> Iterator[str]:
    yield component.get("content") or component.get("label") or ""
    for key in ("components", "options"):
        for child in component.get(key) or ():
            yield from _of_component(child)
    if accessory := component.get("accessory"):
        yield from _of_component(accessory)
