"""Nodes that live in the editor alone: what carries a link on, and what is only there for people.

Beside ComfyUI's own these are the ones of a few packages that many workflows use. They are no classes of a server;
where a server has a class of such a name, it is taken for what it is.
"""

REROUTE = "Reroute"
PRIMITIVE = "PrimitiveNode"

SET_NODE = "SetNode"
GET_NODE = "GetNode"
"""A GetNode gives what the SetNode of the same name takes, without a link between them."""

PASSING = frozenset({REROUTE, "Reroute (rgthree)", SET_NODE})
"""Give what they take."""

FOR_PEOPLE = frozenset(
    {
        "Note",
        "MarkdownNote",
        "Note Plus (mtb)",
        "Label (rgthree)",
        "Bookmark (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Muter (rgthree)",
        "Fast Actions Button (rgthree)",
        "Mute / Bypass Relay (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Node Collector (rgthree)",
    }
)
"""Texts and switches: what the switches did is saved in the modes of other nodes."""

BROADCASTING = frozenset(
    {
        "Anything Everywhere",
        "Anything Everywhere?",
        "Anything Everywhere3",
        "Prompts Everywhere",
        "Seed Everywhere",
    }
)
"""Feed inputs that nothing is linked to, by code in the editor: without it those inputs stay empty."""

VIRTUAL = PASSING | FOR_PEOPLE | {PRIMITIVE, GET_NODE}
