"""`python -m bot schema`: prints the JSON Schema of manifests."""

import argparse

from bot.workflow.manifest.schema import schema_text


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_arguments: argparse.Namespace) -> int:
    print(schema_text(), end="")
    return 0
