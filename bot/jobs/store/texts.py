"""Texts that came from anywhere, made fit for a column. What is kept as JSON needs none of this."""


def storable(text: str) -> str:
    """Return a text without what PostgreSQL refuses: zero bytes, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
