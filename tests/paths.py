"""Files of the checkout that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / "workflows"
"""The pairs that ship."""
