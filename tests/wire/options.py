"""Turning what a person typed into the option tree and `resolved` objects of an interaction, as the app does."""

from collections.abc import Mapping
from typing import Any

from tests.wire.files import Attachment
from tests.wire.http_json import Json
from tests.wire.places import MEMBER_PERMISSIONS, WireChannel
from tests.wire.world import World

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(1, 12)


class OptionError(ValueError):
    """The Discord app would not let a person send this."""


class Resolved:
    """Collects the objects that ids in an interaction stand for."""

    def __init__(self, *, world: World, channel: WireChannel) -> None:
        self._world = world
        self._channel = channel
        self.data: Json = {}

    def attachment(self, value: Attachment) -> str:
        """Upload a file and return its id."""
        file = self._world.upload(value, self._channel)
        return self._add("attachments", file.id, file.payload(self._world.base, self._world.state.cdn_seconds))

    def user(self, user_id: int) -> str:
        """Name a person and return the id."""
        user = self._world.user(user_id)
        if self._channel.guild_id is not None:
            self._add("members", user.id, user.member(permissions=MEMBER_PERMISSIONS, roles=[]))
        return self._add("users", user.id, user.payload())

    def channel(self, channel_id: int) -> str:
        """Name a channel and return its id."""
        return self._add("channels", channel_id, self._world.channel_payload(self._world.channels[channel_id]))

    def role(self, role_id: int) -> str:
        """Name a role and return its id. Raises OptionError when no guild has it."""
        for guild in self._world.guilds.values():
            for role in guild.roles:
                if role.id == role_id:
                    return self._add("roles", role_id, role.payload())
        raise OptionError(f"no role {role_id}")

    def message(self, message_id: int) -> str:
        """Name a message and return its id."""
        message = self._world.messages[message_id]
        return self._add("messages", message_id, self._world.message_payload(message))

    def _add(self, kind: str, object_id: int, payload: Json) -> str:
        self.data.setdefault(kind, {})[str(object_id)] = payload
        return str(object_id)


def command_options(command: Json, path: list[str], values: Mapping[str, Any], resolved: Resolved) -> list[Json]:
    """Return the options of a complete command; `path` names group and subcommand. Raises OptionError."""
    leaf, kinds = _descend(command, path)
    missing = [option["name"] for option in leaf if option.get("required") and option["name"] not in values]
    if missing:
        raise OptionError(f"required options are missing: {missing}")
    return _wrap([_option(_named(leaf, name), value, resolved) for name, value in values.items()], path, kinds)


def typed_options(command: Json, path: list[str], focused: str, values: Mapping[str, Any]) -> list[Json]:
    """Return the options while a person still types in `focused`: raw, unchecked, partly missing."""
    leaf, kinds = _descend(command, path)
    if not _named(leaf, focused).get("autocomplete"):
        raise OptionError(f"option {focused!r} has no autocompletion")
    made: list[Json] = []
    for name, value in values.items():
        entry: Json = {"name": name, "type": _named(leaf, name)["type"], "value": value}
        made.append({**entry, "focused": True} if name == focused else entry)
    return _wrap(made, path, kinds)


def _descend(command: Json, path: list[str]) -> tuple[list[Json], list[int]]:
    options: list[Json] = command.get("options") or []
    kinds: list[int] = []
    for name in path:
        child = _named(options, name)
        kinds.append(child["type"])
        options = child.get("options") or []
    if any(option["type"] in (SUBCOMMAND, GROUP) for option in options):
        raise OptionError(f"choose a subcommand: {[option['name'] for option in options]}")
    return options, kinds


def _wrap(options: list[Json], path: list[str], kinds: list[int]) -> list[Json]:
    for name, kind in zip(reversed(path), reversed(kinds), strict=True):
        options = [{"name": name, "type": kind, "options": options}]
    return options


def _named(options: list[Json], name: str) -> Json:
    for option in options:
        if option["name"] == name:
            return option
    raise OptionError(f"no option {name!r}; there are {[option['name'] for option in options]}")


def _option(option: Json, value: Any, resolved: Resolved) -> Json:
    kind = option["type"]
    _check_value(option, value)
    references = {ATTACHMENT: resolved.attachment, USER: resolved.user, CHANNEL: resolved.channel, ROLE: resolved.role}
    references[MENTIONABLE] = resolved.user
    sent = references[kind](value) if kind in references else value
    return {"name": option["name"], "type": kind, "value": sent}


PYTHON_TYPES: dict[int, tuple[type, ...]] = {
    STRING: (str,),
    INTEGER: (int,),
    BOOLEAN: (bool,),
    NUMBER: (int, float),
    ATTACHMENT: (Attachment,),
}


def _check_value(option: Json, value: Any) -> None:
    name, kind = option["name"], option["type"]
    if not isinstance(value, PYTHON_TYPES.get(kind, (int,))):
        raise OptionError(f"{name}: {value!r} is of the wrong type")
    choices: list[Json] = option.get("choices") or []
    if choices and value not in [choice["value"] for choice in choices]:
        raise OptionError(f"{name}: {value!r} is not among the choices")
    measured = len(value) if kind == STRING else value
    suffix = "length" if kind == STRING else "value"
    low, high = option.get(f"min_{suffix}"), option.get(f"max_{suffix}")
    if (low is not None and measured < low) or (high is not None and measured > high):
        raise OptionError(f"{name}: {value!r} is outside {low}..{high}")
