"""Makes text safe for a column. JSON columns don't need it."""


def storable(text: str) -> str:
    """Remove what PostgreSQL refuses: zero bytes and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
