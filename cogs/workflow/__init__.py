from cogs.workflow._add import AddWorkflow
from cogs.workflow._cog import WorkflowCommand

__all__ = ["AddWorkflow", "WorkflowCommand"]
