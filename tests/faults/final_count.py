"""The count at the end: what every accepted order has come to, and everything that departs from the promise."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.comfyui import StandIn
from tests.faults.members import Crowd
from tests.faults.requests import (
    Order,
    end_of,
    size_of,
    sizes,
)
from tests.wire import WireDiscord

LOG_SHOWN = 6000
"""Characters of the log's end that a report shows."""


@dataclass
class Census:
    """Facts about one run. `departures` is empty when every promise was kept."""

    stale_positions: list[str] = field(default_factory=list[str])
    shown: int = 0
    told: list[str] = field(default_factory=list[str])
    """What those members read who got a sentence instead of a picture."""
    prompts: Counter[int] = field(default_factory=Counter[int])
    """Number of an order → how many prompts were queued for it."""

    def __str__(self) -> str:
        again = sum(count > 1 for count in self.prompts.values())
        return (
            f"{self.shown} shown, {len(self.told)} told, {sum(self.prompts.values())} prompts ({again} orders had more "
            f"than one); {len(self.stale_positions)} departures"
        )


def take_census(crowd: Crowd, wire: WireDiscord, servers: Sequence[StandIn], log: str) -> Census:
    """Look at everything that Discord, the servers and the log have to say."""
    census = Census()
    for order in crowd.orders:
        census.stale_positions += _look_at(order, census)
    census.stale_positions += [f"order {order.number} was not answered by a bot that lived" for order in crowd.ignored]
    census.stale_positions += _look_at_messages(crowd.orders, wire)
    census.stale_positions += _look_for_twins(servers)
    for server in servers:
        census.stale_positions += _look_at_prompts(crowd.orders, server, census)
    census.stale_positions += _look_at_log(log, secrets_of(wire))
    if wire.counters.rate_limited:
        census.stale_positions.append(f"{wire.counters.rate_limited} requests were too many (429)")
    return census


def secrets_of(wire: WireDiscord) -> Iterator[str]:
    """Yield what must never be in a log: the bot's token, and those of all interactions."""
    if wire.state.bot_token:
        yield wire.state.bot_token
    yield from wire.world.tokens


def _look_at(order: Order, census: Census) -> Iterator[str]:
    message = order.accepted.message if order.accepted else None
    if order.accepted is None or message is None or message.deleted:
        yield f"order {order.number} has no message"
        return
    end = end_of(message)
    if not end:
        yield f"order {order.number} has not ended: {message.text!r}"
    if end == "told":
        census.told.append(message.text)
        if message.attachments:
            yield f"order {order.number} has failed and shows {sizes(message)}"
    if end == "shown":
        census.shown += 1
        if sizes(message) != [order.size]:
            yield f"order {order.number} shows {sizes(message)}, not {order.size}"
    if not order.brings_picture and f"order {order.number} attempt " not in message.text:
        yield f"the message of order {order.number} says {message.text!r}"


def _look_at_messages(orders: Sequence[Order], wire: WireDiscord) -> Iterator[str]:
    expected = {order.accepted.message.id for order in orders if order.accepted and order.accepted.message}
    for message in wire.world.messages.values():
        if message.id not in expected and not message.is_ephemeral:
            yield f"a message too many: {message.text!r} with {[file.name for file in message.attachments]}"


def _look_for_twins(servers: Sequence[StandIn]) -> Iterator[str]:
    prompts = Counter(prompt_id for server in servers for prompt_id in server.state.seen.prompts)
    yield from (f"prompt {one} was queued {times} times" for one, times in prompts.items() if times > 1)


def _look_at_prompts(orders: Sequence[Order], server: StandIn, census: Census) -> Iterator[str]:
    seen = server.state.seen
    accepted = {_mark_of(order): order.number for order in orders}
    for prompt_id in seen.prompts:
        mark = _mark_in(seen.graphs[prompt_id], seen.uploads)
        if mark in accepted:
            census.prompts[accepted[mark]] += 1
        else:
            yield f"a prompt that nobody waits for: {mark!r}"


def _mark_of(order: Order) -> object:
    """Return what a graph holds of the accepted attempt: its words, or the size of its picture."""
    if order.brings_picture:
        return order.size
    accepted = order.attempts.index(order.accepted) if order.accepted else 0
    return f"order {order.number} attempt {accepted}."


def _mark_in(graph: Mapping[str, Any], uploads: Mapping[str, bytes]) -> object:
    inputs = [node["inputs"] for node in graph.values()]
    pictures = [str(values["image"]) for values in inputs if isinstance(values.get("image"), str)]
    if pictures:
        return size_of(uploads[pictures[0]])
    return next((text for values in inputs if str(text := values.get("text")).startswith("order ")), "")


def _look_at_log(log: str, secrets: Iterator[str]) -> Iterator[str]:
    if "Traceback" in log:
        yield f"the log holds a traceback: …{log[max(0, log.index('Traceback') - 300) :][:LOG_SHOWN]}"
    for secret in secrets:
        if secret in log:
            line = next(line for line in log.splitlines() if secret in line)
            yield f"the log holds a secret: {line.replace(secret, '<secret>')}"
