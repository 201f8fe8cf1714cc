"""Checks whether a member may use a workflow in a given place, according to its manifest. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field

from bot.i18n import Message, _
from bot.workflow.manifest.sections import Access
from bot.workflow.text_format import listed


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """The requester's roles and place, as ids and as names normalised by `folded`."""

    is_private: bool
    """A DM with the bot or a group DM."""
    roles: frozenset[str] = field(default_factory=frozenset[str])
    channels: frozenset[str] = field(default_factory=frozenset[str])
    """The channel, its parent if it is a thread, and their category."""
    is_age_restricted: bool = False


def folded(name: str) -> str:
    """Normalise a role or channel name for comparison: case-folded, without @ and #."""
    return name.strip().lstrip("@#").strip().casefold()


def why_not(access: Access, there: ChannelContext) -> Message | None:
    """Return the reason why a workflow may not be used there and where it may be; None when it is allowed."""
    if there.is_private:
        if not access.direct_messages or access.roles or access.channels or access.age_restricted:
            return _("This command doesn't work in direct messages. Please use it in a Discord server.")
        return None
    if access.age_restricted and not there.is_age_restricted:
        return _("This command only works in age-restricted channels.")
    if access.channels and not _one_of(access.channels, there.channels):
        return _("Please use this command in {channels}.", channels=_names(access.channels, "#"))
    if access.roles and not _one_of(access.roles, there.roles):
        return _("You need one of these roles to use this command: {roles}.", roles=_names(access.roles, ""))
    return None


def _one_of(wanted: Collection[str], there: Collection[str]) -> bool:
    return not {folded(name) for name in wanted}.isdisjoint(there)


def _names(names: Collection[str], mark: str) -> Message:
    """Format names for a message; ids become mentions (the message is sent without allowed mentions)."""
    mention = "<#{}>" if mark else "<@&{}>"
    shown = [mention.format(name) if name.isdecimal() else f"{mark}{name.lstrip('@#')}" for name in names]
    return Message("{names}", {"names": ", ".join(shown[:12])}) if all(n.isdecimal() for n in names) else listed(shown)
