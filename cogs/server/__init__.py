from cogs.server._cog import ServerCommand

__all__ = ["ServerCommand"]
