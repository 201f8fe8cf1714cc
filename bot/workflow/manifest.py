"""The manifest: the TOML file beside a graph that makes it a command. What it is called, and what members may set.

Checks the file alone. Whether its binds lead anywhere is `bot.workflow.binding`'s to say.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.i18n import _
from bot.workflow.complaints import complaints
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.options import Bind, ImageOption, Option
from bot.workflow.spec import IDLE_LIMIT
from bot.workflow.wording import shown

MAX_BYTES = 64 * 1024
"""25 options with every key take some 10 kB."""

MAX_OPTIONS = 25
MAX_COMMAND_LENGTH = 8000
"""Discord's limit for all names, descriptions and choices of one command together."""

RESERVED_NAMES = frozenset(
    {"run", "queue", "cancel", "history", "me", "server", "workflow", "moderate", "settings", "status", "help"}
)
"""The bot's own commands."""

_GRAPH_NAME = re.compile(r"[^/\\:\x00-\x1f]+\.json", re.IGNORECASE)


def require_name(name: str) -> str:
    """Return a name that Discord takes for a command or an option. Raises `RefusedValueError`."""
    if name != name.lower():
        raise RefusedValueError(_("“{name}” must be in lower case, for Discord.", name=shown(name)))
    if not 1 <= len(name) <= 32 or not all(char.isalnum() or char in "-_" for char in name):
        raise RefusedValueError(_("“{name}” must be 1 to 32 letters, digits, - or _, for Discord.", name=shown(name)))
    return name


def require_command_name(name: str) -> str:
    """Return a name that a workflow may have as a command. Raises `RefusedValueError`."""
    if require_name(name) in RESERVED_NAMES:
        raise RefusedValueError(_("“{name}” is a command of the bot itself; choose another name.", name=name))
    return name


def _require_graph_name(name: str | None) -> str | None:
    if name is not None and not _GRAPH_NAME.fullmatch(name):
        raise RefusedValueError(_("must be the name of a .json file in the same folder."))
    return name


class Manifest(BaseModel):
    """One manifest. `options` keep the order of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    graph: Annotated[str | None, AfterValidator(_require_graph_name)] = None
    """The graph's file name; None: the manifest's own, with .json."""
    outputs: Bind = ()
    """Titles or "#id" of the nodes whose files are shown; empty: every output node."""
    idle_limit: Annotated[float, Field(ge=5, le=24 * 3600, allow_inf_nan=False)] = IDLE_LIMIT
    """Seconds without a word from the server about a run, after which it counts as stuck and is stopped."""
    vram: Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False)] | None = None
    """Gigabytes of graphics memory that a server must have; None: any will do."""
    options: dict[Annotated[str, AfterValidator(require_name)], Option] = Field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, source: str) -> Self:
        """Read a manifest. Raises `WorkflowError` with all that is wrong; `source` is the file's name."""
        try:
            table = _decode(data)
        except RefusedValueError as refusal:
            raise WorkflowError(source, refusal.reason) from refusal
        return cls.read(table, source)

    @classmethod
    def read(cls, table: Mapping[str, Any], source: str) -> Self:
        """Do the same for a manifest that is decoded already."""
        try:
            return cls.model_validate(table)
        except ValidationError as err:
            raise WorkflowError(source, *complaints(err, cls)) from err

    def ordered_options(self) -> tuple[tuple[str, Option], ...]:
        """Return the options as a command must list them: what is required first, else in the order of the file."""
        return tuple(sorted(self.options.items(), key=lambda item: not item[1].required))

    def mask_for(self, name: str) -> str | None:
        """Return the option whose picture is the mask of the picture `name`, if there is one."""
        for other, option in self.options.items():
            if isinstance(option, ImageOption) and option.mask_of == name:
                return other
        return None

    @model_validator(mode="after")
    def _must_make_sense(self) -> Self:
        if len(self.options) > MAX_OPTIONS:
            raise RefusedValueError(_("options: Discord takes {limit} at most.", limit=MAX_OPTIONS))
        if self._command_length() > MAX_COMMAND_LENGTH:
            raise RefusedValueError(
                _(
                    "options: the names, descriptions and choices together are longer than {limit} characters,"
                    " Discord's limit for one command.",
                    limit=MAX_COMMAND_LENGTH,
                )
            )
        self._require_masked_pictures()
        return self

    def _command_length(self) -> int:
        length = len(self.description)
        for name, option in self.options.items():
            length += len(name) + len(option.description)
            length += sum(2 * len(choice.label) for choice in option.choices)
        return length

    def _require_masked_pictures(self) -> None:
        masked: set[str] = set()
        for name, option in self.options.items():
            target = option.mask_of if isinstance(option, ImageOption) else None
            if target is None:
                continue
            picture = self.options.get(target)
            if not isinstance(picture, ImageOption) or picture.mask_of is not None:
                raise RefusedValueError(
                    _("[options.{mask}] mask_of: there is no picture “{name}”.", mask=name, name=shown(target))
                )
            if target in masked:
                raise RefusedValueError(
                    _("[options.{mask}] mask_of: “{name}” has a mask already.", mask=name, name=target)
                )
            masked.add(target)


def _decode(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise RefusedValueError(_("is too large: a manifest may have {limit} KiB.", limit=MAX_BYTES // 1024))
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise RefusedValueError(_("is not text in UTF-8. Save it as UTF-8.")) from err
    except tomllib.TOMLDecodeError as err:
        raise RefusedValueError(_("is not valid TOML: {reason}.", reason=shown(err, 150))) from err
    except (RecursionError, ValueError) as err:  # tomllib lets both through: deep nesting, endless numbers
        raise RefusedValueError(_("holds values that cannot be read.")) from err
