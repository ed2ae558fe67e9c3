"""Whatever happens to a training at whichever file operation: the same command ends with the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pegboard_accelerate")
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the worker counts operations as Linux does")

HERE = Path(__file__).parent
OPTIONS = {
    "trainer.precision": "no",
    "trainer.epochs": 2,
    "trainer.batch_size": 9,
    "trainer.accumulate": 2,
    "trainer.length_buckets": 2,
    "trainer.ema_decay": 0.9,
    "trainer.checkpoint_every": 3,  # of 10 steps: three saves, the last of which removes the first
    "trainer.log_every": 4,
    "task.sampling": "balanced",
    "task.dropout": 0.3,
}
RECIPE = ["--plugin", str(HERE / "toy_plugin.py"), "--dataset", "toy", "--tokenizer", "space", "--encoder", "mean"]
COMMAND = ["train", *RECIPE, *(word for name, value in OPTIONS.items() for word in ("--set", f"{name}={value}"))]
SAYS = {
    "ENOSPC": "No space left on device",
    "EDQUOT": "Disk quota exceeded",
    "EIO": "Input/output error",
    "EROFS": "Read-only file system",
    "full": "File too large",
}
SAVES = range(9, 77)
"""the operations of the three saves, of the OPERATIONS in all"""
OPERATIONS = 143


def strike(folder, faults):
    """What the worker tells of these faults."""
    (folder / "plan.json").write_text(
        json.dumps({"command": COMMAND, "folder": str(folder / "runs"), "faults": list(faults)})
    )
    (folder / "runs").mkdir()
    done = subprocess.run(
        [sys.executable, HERE / "crash_worker.py", folder / "plan.json", folder / "results.json"],
        env={**os.environ, "PEGBOARD_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((folder / "results.json").read_text())
    assert len(told["operations"]) == OPERATIONS, "\n".join(told["operations"])
    return told


def check(told):
    """Everything that holds after any fault."""
    problems = []
    for result in told["results"]:
        number, how, said = result["number"], result["how"], result["said"]
        problem = None
        if how in ("kill", "torn"):
            problem = None if result["first"] == -9 else "was not killed"
        elif result["first"] == 1:
            clear = said.count("error:") == 1 and SAYS[how] in said and "->" in said and "Traceback" not in said
            problem = None if clear and "should not happen" not in said else "no clear message"
        elif result["first"] != 0:  # what can't be removed stops no training
            problem = f"status {result['first']}"
        if result["half_done"]:
            problem = f"half done: {result['half_done']}"
        elif result["second"] != 0:
            problem = f"the same command again gives {result['second']}"
        elif result["digest"] != told["digest"]:
            problem = "other weights"
        elif result["names"] != told["names"]:
            problem = f"other files: {set(result['names']) ^ set(told['names'])}"
        elif not isinstance(result["log"], int):
            problem = f"log.jsonl: {result['log']}"
        elif "damaged" in result["then"]:
            problem = "called damaged"
        if problem:
            problems.append(f"{how} at {number} ({told['operations'][number]}): {problem}\n{said}{result['then']}")
    assert not problems, f"{len(problems)} of {len(told['results'])}\n" + "\n".join(problems[:10])


@pytest.mark.slow
def test_killed_at_every_operation_of_three_saves(tmp_path):
    others = [number for number in range(OPERATIONS) if number not in SAVES]
    told = strike(tmp_path, [[number, "torn"] for number in [*SAVES, *others[::8]]])
    saves = [told["operations"][number] for number in SAVES]
    assert sum(line.startswith("rename /checkpoints/.step") for line in saves) == 3
    assert saves[-1].startswith("rmdir /checkpoints/step-00000003")
    check(told)


@pytest.mark.slow
def test_disks_that_fail(tmp_path):
    check(strike(tmp_path, [[n, how] for start, how in enumerate(SAYS) for n in range(4 + 5 * start, OPERATIONS, 29)]))


@pytest.mark.torture
@pytest.mark.parametrize("how", ["kill", "torn"])
def test_killed_at_every_operation(how, tmp_path):
    check(strike(tmp_path, [[number, how] for number in range(OPERATIONS)]))


@pytest.mark.torture
@pytest.mark.parametrize("how", SAYS)
def test_disk_fails_at_every_operation(how, tmp_path):
    told = strike(tmp_path, [[number, how] for number in range(OPERATIONS)])
    check(told)
    assert sum(result["first"] == 1 for result in told["results"]) > OPERATIONS / 2
