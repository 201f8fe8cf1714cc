"""Whether somebody may use a workflow where they are, by what its manifest says. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field

from bot.i18n import Message, _
from bot.workflow.extras import Access
from bot.workflow.wording import listed


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Who asks where, by ids and names. Names are folded, without @ and #."""

    is_private: bool
    """Direct messages, with the bot or among members."""
    roles: frozenset[str] = field(default_factory=frozenset[str])
    channels: frozenset[str] = field(default_factory=frozenset[str])
    """The channel, the one that it is a thread of, and their category."""
    is_age_restricted: bool = False


def folded(name: str) -> str:
    """Return the name of a role or channel as it is compared."""
    return name.strip().lstrip("@#").strip().casefold()


def why_not(access: Access, there: Whereabouts) -> Message | None:
    """Say why a workflow may not be used there, and where or by whom it may; None when it may."""
    if there.is_private:
        if not access.direct_messages or access.roles or access.channels or access.age_restricted:
            return _("This command does not work in direct messages. Please use it in a Discord server.")
        return None
    if access.age_restricted and not there.is_age_restricted:
        return _("This command works in age-restricted channels only. Please use it in one.")
    if access.channels and not _one_of(access.channels, there.channels):
        return _("This command works in other channels only: {channels}.", channels=_names(access.channels, "#"))
    if access.roles and not _one_of(access.roles, there.roles):
        return _("This command is for members with one of these roles: {roles}.", roles=_names(access.roles, ""))
    return None


def _one_of(wanted: Collection[str], there: Collection[str]) -> bool:
    return not {folded(name) for name in wanted}.isdisjoint(there)


def _names(names: Collection[str], mark: str) -> Message:
    """Return names as people know them: an id as a mention, which pings nobody."""
    mention = "<#{}>" if mark else "<@&{}>"
    shown = [mention.format(name) if name.isdecimal() else f"{mark}{name.lstrip('@#')}" for name in names]
    return Message("{names}", {"names": ", ".join(shown[:12])}) if all(n.isdecimal() for n in names) else listed(shown)
