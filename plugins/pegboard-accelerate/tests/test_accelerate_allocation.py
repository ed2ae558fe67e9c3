"""Memory that stays with the process while it trains."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pegboard_accelerate import allocation
from pegboard_accelerate.allocation import memory_kept

FAULTS = """
import resource, torch
from pegboard_accelerate.allocation import memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)  # 40 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with memory_kept(torch.device("cpu")):
    faults()  # the first ones grow the memory
    print(faults())
"""


def test_large_tensors_are_not_mapped_anew():
    """20 tensors of 40 MB are 200,000 pages; none of them is asked for again."""
    if allocation._c_library() is None:
        pytest.skip("another C library")
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5_000


def test_afterwards_it_is_as_before(monkeypatch):
    calls = []

    class Library:
        def mallopt(self, name, value):
            calls.append((name, value))

        def malloc_trim(self, pad):
            calls.append("trimmed")

    monkeypatch.setattr(allocation, "_c_library", Library)

    def fail():
        assert calls == [(-1, 2**31 - 1), (-4, 0)]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), memory_kept(torch.device("cpu")):
        fail()
    assert calls[2:] == [(-1, 128 * 1024), (-4, 65_536), "trimmed"]
    calls.clear()
    with memory_kept(torch.device("cuda")):
        assert calls == []


def test_without_such_a_library(monkeypatch):
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda name: object())
    with memory_kept(torch.device("cpu")):
        assert torch.ones(3).sum() == 3
