from cogs.moderate._cog import ModerateCommand

__all__ = ["ModerateCommand"]
