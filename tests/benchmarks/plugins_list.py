"""How long `pegboard --help` and `pegboard plugins list` take, and how that grows with the plugins installed.

    python tests/benchmarks/plugins_list.py
    python tests/benchmarks/plugins_list.py --plugins 10 1000 --repeats 20

Made-up plugins are put on the path beside those that are installed. Every command runs in a process of its own, in
turns, so that a busy moment of the machine meets all of them; the processor's time counts, and the smallest figure
is the one least disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = ("dataset", "tokenizer", "encoder", "trainer")
PLUGIN = '''"""A made-up plugin."""

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_{kind}s():
    yield ComponentSpec(name="{name}", factory="{module}.inner:Made", summary="made up, and never built")
'''


def main() -> None:
    """Measure, and print milliseconds and the ratio between the most and the fewest plugins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plugins", type=int, nargs="+", default=[10, 300], metavar="N", help="how many to make up")
    parser.add_argument("--repeats", type=int, default=15, help="processes of each command")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {"--help": (None, ["--help"]), "plugins list": (None, ["plugins", "list"])}
        for number in given.plugins:
            site = Path(folder) / str(number)
            install(site, number)
            commands[f"plugins list, {number} more"] = (site, ["plugins", "list"])
        figures = measure(commands, given.repeats)
    first, last = (f"plugins list, {number} more" for number in (min(given.plugins), max(given.plugins)))
    ratio = figures[last]["cpu_ms"] / figures[first]["cpu_ms"]
    if given.json:
        print(json.dumps({**figures, "ratio": round(ratio, 2)}, indent=2))
        return
    print(f"{'':<24}{'CPU ms':>8}{'median':>8}{'wall ms':>9}")
    for name, figure in figures.items():
        print(f"{name:<24}{figure['cpu_ms']:>8.0f}{figure['cpu_median_ms']:>8.0f}{figure['wall_ms']:>9.0f}")
    print(f"\n{max(given.plugins)} plugins take {ratio:.2f} times as long as {min(given.plugins)}")


def install(site: Path, number: int) -> None:
    """Write distributions with one component each, as an installer leaves them."""
    for i in range(number):
        name, module = f"made-up-{i:04}", f"made_up_{i:04}"
        metadata = site / f"{module}-1.{i}.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{i}\n")
        (metadata / "entry_points.txt").write_text(f"[pegboard.plugins.v1]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(PLUGIN.format(kind=KINDS[i % len(KINDS)], name=name, module=module))


def measure(commands: dict[str, tuple[Path | None, list[str]]], repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each command: the least of the processor's time, its median, and the least by the clock."""
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, (site, arguments) in commands.items():
            spent = _run(site, arguments)
            if turn:  # the first writes the bytecode
                cpu[name].append(spent[0])
                wall[name].append(spent[1])
    return {
        name: {"cpu_ms": min(cpu[name]), "cpu_median_ms": statistics.median(cpu[name]), "wall_ms": min(wall[name])}
        for name in commands
    }


def _run(site: Path | None, arguments: list[str]) -> tuple[float, float]:
    environment = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "pegboard", *arguments]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime), 1e3 * wall


if __name__ == "__main__":
    main()
