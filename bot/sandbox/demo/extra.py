"""Says in one sentence when the optional part that the demo needs is missing. Imports nothing of it."""

from importlib.metadata import PackageNotFoundError, version

from bot.errors import StartupError
from bot.i18n import _

SIMCORD = "3.2.1"
"""The one version whose private names `seams` knows."""


def require_extra() -> None:
    """Raise `StartupError` unless the simulated Discord can be imported."""
    try:
        found = version("simcord")
    except PackageNotFoundError as err:
        raise StartupError(
            _("The demo needs its optional part. Install the demo extra: pip install 'comfycord[demo]'")
        ) from err
    if found != SIMCORD:
        raise StartupError(
            _(
                "The demo works with simcord {wanted} only, and {found} is installed. "
                "Install the demo extra again: pip install 'comfycord[demo]'",
                wanted=SIMCORD,
                found=found,
            )
        )
    try:
        import simcord as _simcord  # noqa: F401  # pyright: ignore[reportUnusedImport]  # it checks discord.py itself
    except ImportError as err:
        raise StartupError(_("The simulated Discord cannot start: {reason}", reason=str(err)[:300])) from err
