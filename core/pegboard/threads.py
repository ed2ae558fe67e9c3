"""How the threads of numerical libraries behave; what they read from the environment when they are loaded."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

__all__ = ["settle_threads", "usable_cores"]

_SPINS = "5000"
"""Measured with a small and a larger BERT, alone and beside two busy processes: from 2,500 on little is gained alone,
and at 50,000 a step takes six to thirteen times as long in company."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def settle_threads(environment: MutableMapping[str, str] = os.environ, quota: Path = _QUOTA) -> None:
    """Set what torch's threads go by, unless the user has, or torch is loaded already and would not see it.

    Threads that wait for others spin for some microseconds only, and then sleep: where the cores are shared, a spinning
    thread keeps from working just what it waits for. To sleep at once would cost a third of the speed where they are
    not, since a step of training waits thousands of times. And in a container that may use fewer processors than it
    sees, there are no more threads than that.

    Args:
        environment: the variables of the process.
        quota: what the system says of the container's share: microseconds of processor time in a period, or `max`.
    """
    if "torch" in sys.modules:
        return
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", _SPINS)  # what the GNU library goes by, if it is there
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    share = _share(quota)
    if share is not None and share < (os.cpu_count() or 1):
        environment.setdefault("OMP_NUM_THREADS", str(share))


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(quota: Path) -> int | None:
    """Whole processors that the container may use; `None` for all."""
    try:
        used, period = quota.read_text(encoding="ascii").split()
        return max(1, math.floor(int(used) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, `max`, or another system
        return None
