"""What every trainer must do."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from pegboard.contracts.trainer import StepOutput, Trainer
from pegboard.errors import PegboardError
from pegboard.testing.conformance import Conformance, NotApplicable, assert_only_data, temporary_folder
from pegboard.testing.tiny import TinyRun, tiny_data, tiny_multi_label_data, tiny_multi_label_network, tiny_network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pegboard.tasks.classify import ClassificationData

__all__ = ["TrainerConformance"]

Rows = npt.NDArray[np.int64]


class Fitted(NamedTuple):
    """A finished training."""

    model: nn.Module
    figures: Mapping[str, Any]
    run: TinyRun


class TrainerConformance(Conformance):
    """Subclass it, set `component`, and pytest checks your trainer on a tiny problem.

    Attributes:
        quick: options that make a training of 96 rows take a second or two and learn; those that the schema
            lacks are left out.

    Example:
        >>> class TestAccelerate(TrainerConformance):
        ...     component = "accelerate"
    """

    kind: ClassVar[str] = "trainer"
    quick: ClassVar[Mapping[str, Any]] = {"epochs": 4, "batch_size": 16, "learning_rate": 0.05}
    settings: ClassVar[tuple[str, ...]] = (*Conformance.settings, "quick")

    def trainer(self, **more: Any) -> Any:
        """A trainer with the quick options."""
        wanted = {**self.quick, **self.options, **more}
        known = {name: value for name, value in wanted.items() if self.has_option(name)}
        return self.factory(self.checked_options(**known))

    def fit(
        self,
        folder: Path,
        *,
        seed: int = 7,
        data: ClassificationData | None = None,
        model: nn.Module | None = None,
        **more: Any,
    ) -> Fitted:
        """Train a tiny network."""
        run = TinyRun(folder / "run", seed=seed)
        model = model or tiny_network(seed)
        figures = self.trainer(**more).fit(model, data or tiny_data(), run)
        return Fitted(model, figures, run)

    def digest(self) -> str:
        """A hash of the trained weights."""
        with temporary_folder() as folder:
            return _hash(self.fit(folder).model)

    def test_it_is_a_trainer(self) -> None:
        """The factory gives a `pegboard.Trainer`.

        The pipeline relies on the contract.
        """
        assert isinstance(self.trainer(), Trainer), f"it is a {type(self.trainer()).__name__}"

    def test_loss_falls(self) -> None:
        """Training lowers the loss on the training rows by a good part.

        That is what it is for.
        """
        data = tiny_data()
        before = _loss(tiny_network(7), data)
        with temporary_folder() as folder:
            after = _loss(self.fit(folder, data=data).model, data)
        assert after < 0.8 * before, f"the loss went from {before:.3f} to {after:.3f}"

    def test_it_generalizes(self) -> None:
        """On the validation rows of the tiny problem it is far better than chance.

        A loss that falls on wrongly matched labels teaches nothing.
        """
        data = tiny_data()
        with temporary_folder() as folder:
            accuracy = _accuracy(self.fit(folder, data=data).model, data)
        assert accuracy > 0.6, f"validation accuracy is {accuracy:.2f}, chance is 0.33"

    def test_the_task_decides_what_is_minimized(self) -> None:
        """Where rows have any number of labels its loss falls, too, and most labels are found on the validation rows.

        A trainer that knows of classes, and computes a loss of its own, fits one task only.
        """
        data, model = tiny_multi_label_data(), tiny_multi_label_network(7)
        before = _loss(model, data)
        with temporary_folder() as folder:
            model = self.fit(folder, data=data, model=model).model
        after, figures = _loss(model, data), data.metrics(_outputs(model, data))
        assert after < 0.8 * before, f"with several labels a row the loss went from {before:.3f} to {after:.3f}"
        precision = figures["mean_average_precision"]
        assert precision > 0.7, f"with several labels a row the average precision is {precision:.2f}, chance is 0.5"

    def test_figures_are_given(self) -> None:
        """`fit` gives a mapping with `seconds` and `epochs`.

        They stand in metrics.json, cost beside quality.
        """
        with temporary_folder() as folder:
            figures = self.fit(folder).figures
        for name in ("seconds", "epochs"):
            assert isinstance(figures.get(name), (int, float)), f"it gives no {name}"
        assert figures["epochs"] > 0, f"epochs is {figures['epochs']}"

    def test_epochs_are_reported(self) -> None:
        """Every epoch is reported once, in order, with its number.

        The log and the trackers live on it.
        """
        with temporary_folder() as folder:
            fitted = self.fit(folder)
        numbers = [figures.get("epoch") for figures in fitted.run.epochs]  # type: ignore[attr-defined]
        assert numbers == list(range(1, int(fitted.figures["epochs"]) + 1)), f"it reported the epochs {numbers}"

    def test_every_row_is_used(self) -> None:
        """Every training row is used once in each epoch.

        A sampler that drops the last batch, or draws a row twice, trains on other data than the recipe says.
        """
        data, seen = tiny_data(rows=83), np.zeros(83, np.int64)
        data.train.watch(lambda rows: np.add.at(seen, rows, 1))  # type: ignore[attr-defined]
        with temporary_folder() as folder:
            epochs = int(self.fit(folder, data=data).figures["epochs"])
        assert (seen == epochs).all(), f"rows were used {seen.min()} to {seen.max()} times in {epochs} epochs"

    def test_validation_is_not_trained_on(self) -> None:
        """Validation rows never take part in a gradient.

        Else the figure that picks the best weights flatters them.
        """
        data, model = tiny_data(), tiny_network(7)
        validation = _rows_of(data.validation.collate(np.arange(len(data.validation)))) - _rows_of(
            data.train.collate(np.arange(len(data.train)))
        )
        trained_on: set[tuple[int, ...]] = set()

        def note(module: nn.Module, arguments: Any, batch: Any, output: Any) -> None:
            if output.outputs.requires_grad:
                rows = _rows_of(batch)
                output.outputs.register_hook(lambda gradient: trained_on.update(rows))

        model.register_forward_hook(note, with_kwargs=True)
        with temporary_folder() as folder:
            self.fit(folder, data=data, model=model)
        assert trained_on, "no gradient reached the model's outputs"
        assert not trained_on & validation, f"{len(trained_on & validation)} validation rows went through backward"

    def test_modes_are_right(self) -> None:
        """It learns in training mode and validates in evaluation mode.

        Dropout that is off, or on, at the wrong time changes results and breaks nothing.
        """
        data, model = tiny_data(), tiny_network(7)
        wrong: list[str] = []

        def note(module: nn.Module, arguments: Any, output: Any) -> None:
            if not output.outputs.requires_grad and module.training:
                wrong.append("validates in training")
            elif output.outputs.requires_grad and not module.training:  # wrong if it goes backward from there
                output.outputs.register_hook(lambda gradient: wrong.append("learns in evaluation"))

        model.register_forward_hook(note)
        with temporary_folder() as folder:
            self.fit(folder, data=data, model=model)
        assert not wrong, f"it {wrong[0]} mode, at {len(wrong)} batches"

    def test_rows_are_shuffled(self) -> None:
        """The order of the rows differs from epoch to epoch.

        Training in the order of a file that is sorted by label forgets the first labels.
        """
        data = tiny_data()
        order: list[int] = []
        data.train.watch(lambda rows: order.extend(rows.tolist()))  # type: ignore[attr-defined]
        with temporary_folder() as folder:
            epochs = int(self.fit(folder, data=data).figures["epochs"])
        if epochs < 2:
            raise NotApplicable("it trains one epoch only")
        first, second = order[: len(data.train)], order[len(data.train) : 2 * len(data.train)]
        assert first != second, "two epochs have the same order"
        assert first != sorted(first), "rows come in the order of the data"

    def test_the_seed_decides(self) -> None:
        """Another seed gives other weights.

        Comparisons over seeds need seeds that do something.
        """
        with temporary_folder() as one, temporary_folder() as other:
            same_start = [tiny_network(0), tiny_network(0)]
            hashes = [
                _hash(self.fit(folder, seed=seed, model=model).model)
                for folder, seed, model in zip((one, other), (1, 2), same_start, strict=True)
            ]
        assert hashes[0] != hashes[1], "the run's seed changes nothing"

    def test_the_model_is_trained_in_place(self) -> None:
        """The model that was given holds the trained weights, unwrapped, with its own parameter names.

        The pipeline saves that very object.
        """
        model = tiny_network(7)
        before, names = _hash(model), list(model.state_dict())
        with temporary_folder() as folder:
            self.fit(folder, model=model)
        assert list(model.state_dict()) == names, "the names of the parameters changed"
        assert _hash(model) != before, "the weights did not change"
        assert all(parameter.isfinite().all() for parameter in model.parameters()), "a weight is not finite"

    def test_frozen_parameters_stay(self) -> None:
        """A parameter that needs no gradient is left as it is.

        Weight decay on frozen layers ruins a pretrained encoder slowly.
        """
        import torch

        model = tiny_network(7)
        frozen: Any = model.get_parameter("encoder.embedding.weight")
        frozen.requires_grad_(False)
        before = frozen.detach().clone()
        with temporary_folder() as folder:
            self.fit(folder, model=model)
        assert torch.equal(before, frozen.detach().cpu()), "a frozen parameter changed"

    def test_save_and_reload_give_the_same_predictions(self) -> None:
        """The trained weights, saved with safetensors and loaded again, give the same outputs.

        What is measured must be what is saved.
        """
        from safetensors.torch import load_file, save_file

        data = tiny_data()
        with temporary_folder() as folder:
            model = self.fit(folder, data=data).model
            save_file({n: t.detach().cpu().clone() for n, t in model.state_dict().items()}, folder / "w.safetensors")
            other = tiny_network(1)
            other.load_state_dict(load_file(folder / "w.safetensors"))
        assert np.array_equal(_outputs(model, data), _outputs(other, data)), "outputs differ after a reload"

    def test_max_steps_is_honoured(self) -> None:
        """With `max_steps` n there are exactly n optimizer steps.

        A budget that is overrun is no budget.
        """
        if not self.has_option("max_steps"):
            raise NotApplicable("it has no option max_steps")
        with _steps_counted() as counted, temporary_folder() as folder:
            told = self.fit(folder, max_steps=5).figures.get("steps")
        steps = len(counted) or told
        assert steps == 5, f"max_steps=5 gave {steps} steps"
        assert told in (None, steps), f"it took {steps} steps and tells {told}"

    def test_epochs_is_honoured(self) -> None:
        """With `epochs` n there are at most n epochs, and n unless it stops early on purpose.

        It is the first option everybody sets.
        """
        if not self.has_option("epochs"):
            raise NotApplicable("it has no option epochs")
        data, rows_used = tiny_data(), [0]
        data.train.watch(lambda rows: rows_used.__setitem__(0, rows_used[0] + len(rows)))  # type: ignore[attr-defined]
        with temporary_folder() as folder:
            told = self.fit(folder, data=data, epochs=2).figures["epochs"]
        assert told == 2, f"epochs=2 gave {told}"
        assert rows_used[0] == 2 * len(data.train), f"2 epochs of {len(data.train)} rows used {rows_used[0]}"

    def test_loss_weights_count(self) -> None:
        """The loss is the weighted mean over a step: scaling sum and weight of its batches alike changes nothing.

        Taking the sum makes the learning rate depend on the batch size, and class weights go wrong.
        """
        import torch

        factors = itertools.cycle([1.0, 0.25, 8.0])
        factor = [8.0]
        with temporary_folder() as one, temporary_folder() as other:
            plain = self.fit(one).model
            with _before_each_step(lambda *arguments: factor.__setitem__(0, next(factors))):
                scaled = self.fit(other, model=_scaled(tiny_network(7), lambda: factor[0])).model
        for (name, a), b in zip(plain.state_dict().items(), scaled.state_dict().values(), strict=True):
            assert torch.allclose(a.cpu(), b.cpu(), atol=1e-3), f"{name} depends on the scale of sum and weight"

    def test_each_step_has_its_own_gradient(self) -> None:
        """The gradient of an optimizer step is that of the batches since the last one.

        One that is never reset adds up over the whole training; the loss still falls, only worse.
        """
        model = tiny_network(7)
        weight: Any = model.get_parameter("head.weight")
        since: list[Tensor] = []
        agreements: list[float] = []

        def compare(optimizer: Any, *arguments: Any) -> None:
            if since and weight.grad is not None:
                own, used = sum(since).flatten().double(), weight.grad.flatten().double()  # type: ignore[union-attr]
                agreements.append(float(own @ used / (own.norm() * used.norm()).clamp(min=1e-30)))
            since.clear()

        weight.register_hook(lambda gradient: since.append(gradient.detach().clone()))
        with _before_each_step(compare), temporary_folder() as folder:
            self.fit(folder, model=model)
        if not agreements:
            raise NotApplicable("it uses no optimizer of torch")
        assert min(agreements) > 0.99, f"a step's gradient points elsewhere (cosine {min(agreements):.2f})"

    def test_a_loss_that_is_no_number_stops_it(self) -> None:
        """When the loss is not a number, `fit` raises an error of Pegboard's family.

        Hours of training a model of NaNs help nobody.
        """
        try:
            with temporary_folder() as folder:
                self.fit(folder, model=_scaled(tiny_network(7), lambda: math.nan))
        except PegboardError:
            return
        raise AssertionError("it finished with a loss that is not a number")

    def test_interrupt_stops_it(self) -> None:
        """SIGINT in the middle ends it with `KeyboardInterrupt`, soon.

        Ctrl-C is how people change their minds.
        """
        with temporary_folder() as folder:
            before, after = self._interrupted(folder)
        assert after - before <= 3, f"it went on for {after - before} batches after SIGINT"

    def test_resumed_equals_uninterrupted(self) -> None:
        """Run again after an interrupt, it ends with the weights of a run that was never interrupted.

        A trainer that declares `resumes` goes on from where it was; any other starts again and gets there too.
        """
        data = tiny_data()
        with temporary_folder() as one, temporary_folder() as other:
            expected, whole = self._fit_and_count(one, data)
            self._interrupted(other, data=data)
            resumed, again = self._fit_and_count(other, data)
        assert _hash(resumed.model) == _hash(expected.model), "the weights differ from those of an uninterrupted run"
        if self.resumes:
            assert again < whole, "it declares `resumes` but started from the beginning"

    def test_interrupt_leaves_a_checkpoint(self) -> None:
        """A trainer that declares `resumes` leaves its state in `run.checkpoints` when it is interrupted: data only.

        State that is unpickled executes code.
        """
        if not self.resumes:
            raise NotApplicable("it does not declare `resumes`")
        with temporary_folder() as folder:
            self._interrupted(folder)
            checkpoints = folder / "run" / "checkpoints"
            assert list(checkpoints.glob("*")), "there is no checkpoint"
            assert_only_data(checkpoints)

    def test_the_callers_state_is_left_alone(self) -> None:
        """Signal handlers, the number of threads and the gradient mode are as before.

        A library that changes its caller's process is a bad guest.
        """
        import torch

        def settings() -> tuple[Any, ...]:
            return signal.getsignal(signal.SIGINT), torch.get_num_threads(), torch.is_grad_enabled(), Path.cwd()

        before = settings()
        try:
            with temporary_folder() as folder:
                self.fit(folder)
            after = settings()
        finally:
            handler, threads, gradients, _ = before
            signal.signal(signal.SIGINT, handler)
            torch.set_num_threads(threads)
            torch.set_grad_enabled(gradients)
        for name, one, other in zip(
            ("SIGINT handler", "threads", "gradient mode", "folder"), before, after, strict=True
        ):
            assert one == other, f"the {name} was {one} and is {other}"

    @property
    def resumes(self) -> bool:
        """Whether the trainer declares that it goes on after an interrupt."""
        return bool(getattr(self.trainer(), "resumes", False))

    def _interrupted(self, folder: Path, *, data: ClassificationData | None = None, at: int = 9) -> tuple[int, int]:
        """Send SIGINT while batch `at` is made; gives that number and the number of batches made in all."""
        if threading.current_thread() is not threading.main_thread():
            raise NotApplicable("signals reach the main thread only")
        data = data or tiny_data()
        made = [0]

        def watch(rows: Rows) -> None:
            made[0] += 1
            if made[0] == at:
                os.kill(os.getpid(), signal.SIGINT)

        data.train.watch(watch)  # type: ignore[attr-defined]
        listening = signal.set_wakeup_fd(-1)  # the command line would end the process, which goes on after this signal
        try:
            self.fit(folder, data=data)
        except KeyboardInterrupt:
            return at, made[0]
        finally:
            signal.set_wakeup_fd(listening, warn_on_full_buffer=False)
            data.train.watch(None)  # type: ignore[attr-defined]
        raise AssertionError("SIGINT did not end it")

    def _fit_and_count(self, folder: Path, data: ClassificationData) -> tuple[Fitted, int]:
        """Train, and count the batches of training rows that were made."""
        made = [0]
        data.train.watch(lambda rows: made.__setitem__(0, made[0] + 1))  # type: ignore[attr-defined]
        try:
            fitted = self.fit(folder, data=data)
            return fitted, made[0]
        finally:
            data.train.watch(None)  # type: ignore[attr-defined]


def _scaled(model: nn.Module, factor_now: Callable[[], float]) -> nn.Module:
    """The model with sum and weight of its loss multiplied by what `factor_now` gives at each batch."""

    def scale(module: nn.Module, inputs: Any, output: StepOutput) -> StepOutput:
        factor = factor_now()
        return output._replace(loss_sum=output.loss_sum * factor, loss_weight=output.loss_weight * factor)

    model.register_forward_hook(scale)
    return model


def _rows_of(batch: Mapping[str, Tensor]) -> set[tuple[int, ...]]:
    """The rows of a batch, each as its ids without padding."""
    rows = zip(batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True)
    return {tuple(itertools.compress(ids, mask)) for ids, mask in rows}


@contextmanager
def _before_each_step(call: Callable[..., None]) -> Iterator[None]:
    """Have `call` told of each step of any of torch's optimizers."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    handle = register_optimizer_step_pre_hook(call)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _steps_counted() -> Iterator[list[int]]:
    """A list with an entry for each step of any of torch's optimizers."""
    steps: list[int] = []
    with _before_each_step(lambda *arguments: steps.append(1)):
        yield steps


def _hash(model: nn.Module) -> str:
    summary = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        summary.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return summary.hexdigest()


def _outputs(model: nn.Module, data: ClassificationData) -> npt.NDArray[np.float32]:
    from pegboard.pipeline.predict import predict_outputs

    return predict_outputs(model.cpu(), data.validation)


def _accuracy(model: nn.Module, data: ClassificationData) -> float:
    return data.metrics(_outputs(model, data))["accuracy"]


def _loss(model: nn.Module, data: ClassificationData) -> float:
    import torch

    model.cpu().eval()
    with torch.no_grad():
        output = model(**data.train.collate(np.arange(len(data.train))))
    return float(output.loss_sum / output.loss_weight)
