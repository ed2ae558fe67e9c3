"""What the environment says to the threads of libraries that are not loaded yet."""

import os
import subprocess
import sys

import pytest
from pegboard.threads import settle_threads


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """`settled("100000 100000", OMP_NUM_THREADS="3")`: the variables afterwards, on a machine of 8 processors."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    def settle(quota=None, **environment):
        if quota is not None:
            (tmp_path / "cpu.max").write_text(quota)
        settle_threads(environment, tmp_path / "cpu.max")
        return environment

    return settle


@pytest.mark.parametrize("quota", [None, "max 100000\n", "800000 100000\n", "", "1 0"])
def test_waiting_threads_soon_sleep(settled, quota):
    assert settled(quota) == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}


@pytest.mark.parametrize(
    ("quota", "threads"), [("200000 100000\n", "2"), ("50000 100000\n", "1"), ("350000 100000", "3")]
)
def test_no_more_threads_than_a_container_may_use(settled, quota, threads):
    assert settled(quota)["OMP_NUM_THREADS"] == threads


def test_what_the_user_has_set_stays(settled):
    given = {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "7"}
    assert settled("100000 100000", **given) == given
    assert settled(GOMP_SPINCOUNT="7")["GOMP_SPINCOUNT"] == "7"


def test_once_torch_is_loaded_nothing_is_set(settled, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    assert settled("100000 100000") == {}


def test_training_from_python_settles_it(toy, tmp_path):
    """In a process of its own: here torch is loaded."""
    code = (
        "import os, sys, pegboard; from pegboard.console import silent; assert 'torch' not in sys.modules; "
        f"pegboard.train(dataset='toy', tokenizer='space', encoder='mean', trainer='loop', plugins=[{toy!r}], "
        f"out={str(tmp_path / 'run')!r}, console=silent); print(os.environ['GOMP_SPINCOUNT'])"
    )
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "5000\n"
