"""How long the training will still take, by a clock that the test holds."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard_accelerate.forecast import Forecast
from pegboard_accelerate.state import State

STEP, PAUSE = 2.0, 30.0


class Training:
    """Steps of 2 seconds, the first of 10; 30 seconds of validation after each epoch."""

    def __init__(self, state: State | None = None, **settings: Any) -> None:
        self.now = 100.0
        self.state = state or State()
        self.settings = {"total_steps": 30, "steps_of_epoch": 10, "validation_share": 0.5, "max_minutes": None}
        self.settings |= settings
        self.forecast = Forecast(clock=lambda: self.now, **self.settings)
        self.lap = self.now
        self.first = True

    def train(self, steps: int) -> float | None:
        """Do steps; gives the last forecast."""
        left = None
        for _ in range(steps):
            if self.state.step_in_epoch == 0 or self.first:
                self.state.seconds += self.now - self.lap
                self.lap = self.now
                self.forecast.training_goes_on(self.state)
            self.now += 10.0 if self.first else STEP
            self.first = False
            self.state.step += 1
            self.state.step_in_epoch += 1
            left = self.forecast.left(self.state)
            if self.state.step_in_epoch == self.settings["steps_of_epoch"]:
                self.forecast.epoch_ends()
                self.now += PAUSE
                self.state.epoch, self.state.step_in_epoch = self.state.epoch + 1, 0
        return left


def test_nothing_is_said_after_one_step():
    assert Training().train(1) is None


def test_before_a_validation_was_seen_it_is_guessed_from_the_rows():
    pause = 10 * STEP * 0.5 / 3
    assert Training().train(4) == pytest.approx(26 * STEP + 3 * pause)


def test_the_whole_training_counts_and_not_the_epoch():
    assert Training().train(14) == pytest.approx(16 * STEP + 2 * PAUSE)
    assert Training().train(30) == pytest.approx(PAUSE)


def test_steps_that_end_within_an_epoch():
    assert Training(total_steps=25).train(24) == pytest.approx(1 * STEP + 1 * PAUSE)


def test_a_limit_in_minutes():
    training = Training(max_minutes=1.0)
    assert training.train(1) == pytest.approx(50)
    assert training.train(4) == pytest.approx(60 - 18)
    assert training.train(5) == pytest.approx(60 - 28)
    assert training.train(1) == pytest.approx(60 - 28 - PAUSE - STEP)
    assert training.train(9) == 0


def test_a_resumed_training_goes_by_its_own_pace():
    before = State(step=15, epoch=2, step_in_epoch=5, seconds=1000.0)
    pause = 10 * STEP * 0.5 / 3
    assert Training(before).train(3) == pytest.approx(12 * STEP + 2 * pause)
    before = State(step=15, epoch=2, step_in_epoch=5, seconds=40.0)
    assert Training(before, max_minutes=1.0).train(1) == pytest.approx(10)


def test_the_trainer_forecasts_its_last_step(run: Any, tiny: Any):
    """After the last step only validation is left, and early stopping makes it an upper bound."""
    tiny.fit(run, epochs=2, patience=5)
    left = [seconds for seconds, _ in run.forecasts]
    assert left[0] is None
    assert all(seconds is not None and seconds >= 0 for seconds in left[1:])
    assert all(at_most for _, at_most in run.forecasts)
