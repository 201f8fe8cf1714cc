"""The outcome of a finished run: which files to show, and the remark shown with or instead of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.workflow.manifest.file_kinds import is_written_as
from bot.workflow.manifest.sections import OutputKind
from bot.workflow.run.events import (
    TEXT,
    FailureKind,
    OutputFile,
    OutputRef,
    OutputText,
    RunFailure,
    RunResult,
)
from bot.workflow.run.explain import explain_failure
from bot.workflow.run.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """The files of a job, or why there are none; `note` may also accompany files."""

    files: Sequence[OutputFile]
    note: Message | None
    was_stopped: bool = False
    """Whether the run was interrupted, by the bot or at the server."""


def cancellation_text(job: Job) -> Message:
    """Return the text for the message of a cancelled job."""
    if job.cancel_by and job.cancel_by != job.requester.user_id:
        return _("Cancelled by a moderator.")
    return _("Cancelled.")


def selected_outputs(result: RunResult, spec: RunSpec) -> list[OutputRef]:
    """Return the outputs to show: those of the manifest's output nodes, else all saved files, else previews."""
    if spec.outputs:
        return [ref for ref in result.outputs if is_from_node(ref.node_id, spec.outputs) and _is_of_kind(ref, spec)]
    saved = [ref for ref in result.outputs if ref.folder == "output"]
    return saved or list(result.outputs)


def text_outputs(result: RunResult, spec: RunSpec, refs: Sequence[OutputRef]) -> list[OutputFile]:
    """Return text outputs as files: of the manifest's output nodes, else all of a run without files."""
    wanted = [text for text in result.texts if _is_asked_for(text, spec) or not (spec.outputs or refs)]
    return [
        OutputFile(OutputRef(text.node_id, f"text_{number}.txt", "", TEXT), text.text.encode())
        for number, text in enumerate(wanted, start=1)
    ]


def _is_asked_for(text: OutputText, spec: RunSpec) -> bool:
    return any(
        is_from_node(text.node_id, [node]) and spec.output_kinds.get(node, OutputKind.TEXT) == OutputKind.TEXT
        for node in spec.outputs
    )


def _is_of_kind(ref: OutputRef, spec: RunSpec) -> bool:
    """Whether the file extension matches the kind that the manifest declares for its node."""
    kinds = [kind for node, kind in spec.output_kinds.items() if is_from_node(ref.node_id, [node])]
    return all(is_written_as(kind, ref.filename) for kind in kinds)


def is_from_node(node_id: str, nodes: Sequence[str]) -> bool:
    """Return whether `node_id` is one of `nodes` or was expanded from one."""
    # A node expanded at run time has an id of its own: "9.0.0.3" for node "9".
    return any(node_id == node or node_id.startswith(f"{node}.") for node in nodes)


def outcome_note(
    result: RunResult, refs: Sequence[OutputRef], dropped: Message | None, spec: RunSpec
) -> Message | None:
    """Return the remark shown with the files, or instead of them when there are no `refs`.

    `dropped` says which outputs the server rejected when it accepted the rest.
    """
    if dropped is not None and (result.failure is None or result.failure.kind is FailureKind.NO_OUTPUTS):
        return dropped
    if result.failure is not None:
        return explain_failure(result.failure, spec)
    if not refs:
        return explain_failure(RunFailure(FailureKind.NO_OUTPUTS), spec)
    missing = [node for node in spec.outputs if not any(is_from_node(ref.node_id, [node]) for ref in refs)]
    if missing:
        return n_(
            "One of the workflow's outputs is missing.", "{count} of the workflow's outputs are missing.", len(missing)
        )
    return None
