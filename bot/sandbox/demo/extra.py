"""Checks for the demo's optional dependencies without importing this package's modules that need them."""

from importlib.metadata import PackageNotFoundError, version

from bot.errors import StartupError
from bot.i18n import _

SIMCORD = "3.2.1"
"""The only version whose private names `seams` knows."""


def require_extra() -> None:
    """Raise `StartupError` unless the right simcord is installed and works."""
    try:
        found = version("simcord")
    except PackageNotFoundError as err:
        raise StartupError(
            _("The demo needs extra packages. Install them with: pip install 'comfycord[demo]'")
        ) from err
    if found != SIMCORD:
        raise StartupError(
            _(
                "The demo needs simcord {wanted}, but {found} is installed. "
                "Reinstall the extra packages: pip install 'comfycord[demo]'",
                wanted=SIMCORD,
                found=found,
            )
        )
    try:
        import simcord as _simcord  # noqa: F401  # pyright: ignore[reportUnusedImport]  # its import checks discord.py's version
    except ImportError as err:
        raise StartupError(_("The simulated Discord cannot start: {reason}", reason=str(err)[:300])) from err
