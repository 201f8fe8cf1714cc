from cogs.workflow._cog import WorkflowCommand

__all__ = ["WorkflowCommand"]
