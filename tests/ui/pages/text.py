"""What a page says, for tests of pages that are no messages yet."""

import discord


def text_of(view: discord.ui.LayoutView) -> str:
    """Return all texts of a page, part by part."""
    texts = [item.content for item in view.walk_children() if isinstance(item, discord.ui.TextDisplay)]
    assert view.content_length() <= 4000
    assert sum(1 for _item in view.walk_children()) <= 40
    return "\n".join(texts)
