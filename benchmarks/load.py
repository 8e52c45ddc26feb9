"""What the component costs a `dg` project that loads: seconds, and the modules that it imports.

    python benchmarks/load.py [--runs N] [--json]

Each load is a process of its own that imports Dagster and calls `load_from_defs_folder`: of a project with one asset
where embed-assets is not installed (its entry point is hidden), where it is and nothing uses it, and where a component
with one source and one encoder is in the project. CPU seconds, the median of all runs, with the interpreter's start.

Bound: installed and unused costs at most 15 % of the bare project's seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MOST_SHARE = 0.15  # of a bare project's seconds, where the package is installed and unused
OURS = "embed_assets"

_LOAD = """
import importlib.metadata as metadata, json, sys, time
if sys.argv[2] == "bare":
    whole = metadata.entry_points
    metadata.entry_points = lambda **wanted: metadata.EntryPoints(
        one for one in whole(**wanted) if not one.value.startswith("embed_assets")
    )
from pathlib import Path
import dagster as dg
defs = dg.load_from_defs_folder(path_within_project=Path(sys.argv[1]))
assets = len(defs.resolve_asset_graph().get_all_asset_keys())
print(json.dumps({"seconds": time.process_time(), "assets": assets, "modules": sorted(sys.modules)}))
"""

_PROJECT = """
[project]
name = "shop"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""

_COMPONENT = """
type: embed_assets.component.EmbeddingPipeline
attributes:
  key_prefix: [search]
  store: store
  sources: {media: {uri: media}}
  encoders: {pictures: {model: pixels}}
"""


def main() -> None:
    """Measure, print, and exit with 1 where the bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = {"bare": project(Path(folder) / "plain"), "installed": project(Path(folder) / "unused")}
        places["used"] = project(Path(folder) / "used", component=True)
        loads = measured(places, options.runs)
    found = summary(loads)
    print(json.dumps(found, indent=2) if options.as_json else shown(found))
    sys.exit(0 if found["cases"]["installed"]["more"] <= MOST_SHARE * found["cases"]["bare"]["seconds"] else 1)


def project(root: Path, *, component: bool = False) -> Path:
    """Make a project with one asset, and a component beside it; return the folder that is loaded."""
    package = root / "src" / "shop"
    (package / "defs").mkdir(parents=True)
    (root / "pyproject.toml").write_text(_PROJECT)
    for folder in (package, package / "defs"):
        (folder / "__init__.py").touch()
    (package / "defs" / "own.py").write_text("import dagster as dg\n\n\n@dg.asset\ndef orders() -> None: ...\n")
    if component:
        (package / "defs" / "search").mkdir()
        (package / "defs" / "search" / "defs.yaml").write_text(_COMPONENT)
    return package


def measured(places: dict[str, Path], runs: int) -> dict[str, list[dict[str, Any]]]:
    """Time the loads of each case in turn, after one of each that warms the disk's cache."""
    loads: dict[str, list[dict[str, Any]]] = {case: [] for case in places}
    for turn in range(runs + 1):
        for case, package in places.items():
            load = loaded(case, package)
            if turn:
                loads[case].append(load)
    return loads


def loaded(case: str, package: Path) -> dict[str, Any]:
    """One load in a process of its own."""
    environ = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", _LOAD, str(package), case]
    done = subprocess.run(command, cwd=package.parent, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def summary(loads: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Seconds by case, and the modules that a case has and the bare project has not."""
    bare = statistics.median(load["seconds"] for load in loads["bare"])
    before = set(loads["bare"][0]["modules"])
    cases = {}
    for case, own in loads.items():
        seconds = [load["seconds"] for load in own]
        added = sorted(set(own[0]["modules"]) - before)
        middle = statistics.median(seconds)
        cases[case] = {
            "assets": own[0]["assets"],
            "seconds": round(middle, 2),
            "range": [round(min(seconds), 2), round(max(seconds), 2)],
            "more": round(middle - bare, 2),
            "ratio": round(middle / bare, 3),
            "modules": len(own[0]["modules"]),
            "ours": [name for name in added if name.partition(".")[0] == OURS],
            "others": sorted({name.partition(".")[0] for name in added} - {OURS, *sys.stdlib_module_names}),
        }
    return {"runs": len(loads["bare"]), "cases": cases}


def shown(found: dict[str, Any]) -> str:
    """Print a table, and the modules."""
    lines = [f"{'project':<10} {'assets':>6} {'CPU s':>6} {'range':>12} {'more':>6} {'ratio':>6} {'modules':>8}"]
    for case, one in found["cases"].items():
        span = "{}-{}".format(*one["range"])
        figures = f"{one['seconds']:>6.2f} {span:>12} {one['more']:>6.2f} {one['ratio']:>6.2f} {one['modules']:>8,}"
        lines.append(f"{case:<10} {one['assets']:>6} {figures}")
    lines.append(f"\ninstalled: {', '.join(found['cases']['installed']['ours'])}")
    for case in ("installed", "used"):
        one = found["cases"][case]
        lines.append(f"{case}: {len(one['ours'])} modules of ours; beside them {', '.join(one['others']) or 'none'}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
