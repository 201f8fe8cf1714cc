"""Nodes that exist only in the editor: some pass a link on, others are notes and switches.

These are ComfyUI's own and those of a few packs that many workflows use. If a server has a class of such a name, that
class is used instead.
"""

REROUTE = "Reroute"
PRIMITIVE = "PrimitiveNode"

SET_NODE = "SetNode"
GET_NODE = "GetNode"
"""A GetNode outputs the input of the SetNode of the same name, without a link between them."""

PASS_THROUGH = frozenset({REROUTE, "Reroute (rgthree)", SET_NODE})
"""Output their input."""

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
"""Notes and switches; what the switches did is saved in the modes of other nodes."""

BROADCASTING = frozenset(
    {
        "Anything Everywhere",
        "Anything Everywhere?",
        "Anything Everywhere3",
        "Prompts Everywhere",
        "Seed Everywhere",
    }
)
"""Feed unlinked inputs by code in the editor; without it, those inputs stay empty."""

VIRTUAL = PASS_THROUGH | FOR_PEOPLE | {PRIMITIVE, GET_NODE}
