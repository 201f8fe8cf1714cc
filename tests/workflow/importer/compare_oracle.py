"""Run by hand: `python -m tests.workflow.importer.compare_oracle [FOLDER]` converts every pair of a folder.

The folder holds NAME.ui.json, NAME.api.json and object_info.json.gz; prints equal, differs or refused for each.
"""

import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.ui_format.convert import convert
from tests.paths import ROOT
from tests.workflow.importer.graphs import differences

DEFAULT = ROOT.parent / "shared" / "oracle"


def main(folder: Path) -> None:
    object_info = json.loads(gzip.decompress((folder / "object_info.json.gz").read_bytes()))
    verdicts: Counter[str] = Counter()
    for ui in sorted(folder.glob("*.ui.json")):
        name = ui.name.removesuffix(".ui.json")
        expected = json.loads((folder / f"{name}.api.json").read_bytes())
        started = time.perf_counter()
        try:
            found = differences(convert(json.loads(ui.read_bytes()), object_info), expected)
            verdict, detail = ("differs", found) if found else ("equal", [])
        except WorkflowImportError as err:
            verdict, detail = "refused", [str(err)]
        verdicts[verdict] += 1
        print(f"{verdict:8} {name} ({(time.perf_counter() - started) * 1000:.0f} ms)", *detail, sep="\n    ")  # noqa: T201
    print(dict(verdicts))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
