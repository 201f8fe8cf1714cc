"""The command line: `python -m bot <command>`, or `comfycord <command>`.

Failures that the owner can fix print one sentence and exit with code 1.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bot.errors import BotError

COMMANDS = {
    "run": ("run", "start the bot"),
    "demo": ("demo", "try it in a browser: no Discord, no GPU"),
    "check": ("check", "check settings and workflows for mistakes"),
    "schema": ("schema", "print the JSON Schema of manifests, for editors"),
    "import": ("import_workflow", "create a command from a workflow file or ComfyUI image"),
    "migrate": ("migrate", "update the database (also done at every start)"),
    "copy": ("copy_database", "copy everything into an empty database"),
    "jobs": ("jobs", "list, show, requeue or fail jobs"),
    "sandbox": ("sandbox", "start only the simulated ComfyUI"),
}
"""Module in `bot.cli` and help of each command.

The module has `add_arguments(parser)`, and `run(arguments)`, which returns the exit code. It is imported only for its
own command: most need large libraries.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        arguments = _parser(argv).parse_args(argv)
        return arguments.run(arguments)
    except BotError as error:
        print(error.user_message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comfycord", description="ComfyUI workflows as Discord slash commands.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, (module_name, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in argv[:1]:
            module = import_module(f"bot.cli.{module_name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
