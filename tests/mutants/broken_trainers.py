"""One correct trainer that resumes, and variations of it that have one realistic fault each."""

import copy
import re
import signal
import time

import numpy as np
import pegboard
import torch
from pydantic import Field
from safetensors.torch import load_file, save

WEIGHT = "model."


class LoopOptions(pegboard.Options):
    epochs: int = Field(4, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(0.05, gt=0)
    max_steps: int | None = Field(None, ge=1)


class Correct(pegboard.Trainer):
    """Adam; the state is saved after each epoch."""

    resumes = True

    def fit(self, model, data, run):
        started = time.perf_counter()
        optimizer = torch.optim.Adam(model.parameters(), self.options.learning_rate)
        first, self.steps = self.restore(model, optimizer, run), 0
        for epoch in range(first, self.options.epochs):
            torch.manual_seed(1000 * run.seed + epoch)
            self.epoch(model, optimizer, data, run, epoch)
            self.validate(model, data)
            self.report(run, epoch)
            self.keep(model, optimizer, run, epoch)
        return self.figures(time.perf_counter() - started)

    def epoch(self, model, optimizer, data, run, epoch):
        model.train()
        for rows in self.batches(data, run, epoch):
            if self.steps == self.options.max_steps:
                break
            self.step(model, optimizer, data.train.collate(rows))
            self.steps += 1

    def batches(self, data, run, epoch):
        return pegboard.bucketed_batches(data.train.lengths, self.options.batch_size, seed=[run.seed, epoch])

    def step(self, model, optimizer, batch):
        output = model(**batch)
        loss = output.loss_sum / output.loss_weight
        if not loss.isfinite():
            raise pegboard.RunError("the loss is not a number", where=f"step {self.steps}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def validate(self, model, data):
        model.eval()
        for rows in pegboard.sorted_batches(data.validation.lengths):
            model(**data.validation.collate(rows))

    def report(self, run, epoch):
        run.epoch_finished({"epoch": epoch + 1})

    def figures(self, seconds):
        return {"epochs": self.options.epochs, "steps": self.steps, "seconds": seconds}

    def keep(self, model, optimizer, run, epoch):
        state = {WEIGHT + name: tensor for name, tensor in model.state_dict().items()}
        for i, moments in optimizer.state_dict()["state"].items():
            state |= {f"{i}.{name}": tensor for name, tensor in moments.items()}
        state["next"] = torch.tensor(epoch + 1)
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        pegboard.atomic_write(run.checkpoints / "state.safetensors", save(state))

    def restore(self, model, optimizer, run):
        file = run.checkpoints / "state.safetensors"
        if not file.exists():
            return 0
        state = load_file(file)
        weights = {name: state.pop(name) for name in list(state) if name.startswith(WEIGHT)}
        model.load_state_dict({name.removeprefix(WEIGHT): tensor for name, tensor in weights.items()})
        following = int(state.pop("next"))
        self.restore_optimizer(optimizer, state)
        return following

    def restore_optimizer(self, optimizer, state):
        moments = {}
        for key, tensor in state.items():
            i, name = key.split(".")
            moments.setdefault(int(i), {})[name] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


class TrainsOnValidation(Correct):
    """Validates with gradients and a step."""

    def validate(self, model, data):
        self.epoch_on_validation(model, data)

    def epoch_on_validation(self, model, data):
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        self.step(model, optimizer, data.validation.collate(np.arange(len(data.validation))))


class DropsTheLastBatch(Correct):
    """`drop_last=True`."""

    def batches(self, data, run, epoch):
        return [rows for rows in super().batches(data, run, epoch) if len(rows) == self.options.batch_size]


class DrawsWithReplacement(Correct):
    """Some rows come twice, others not at all."""

    def batches(self, data, run, epoch):
        drawn = np.random.default_rng([run.seed, epoch]).integers(len(data.train), size=len(data.train))
        return np.array_split(drawn, len(drawn) // self.options.batch_size)


class DoesNotShuffle(Correct):
    """Batches in the order of the file."""

    def batches(self, data, run, epoch):
        rows = np.arange(len(data.train))
        return [rows[i : i + self.options.batch_size] for i in range(0, len(rows), self.options.batch_size)]


class ShufflesOnce(Correct):
    """The same order in every epoch."""

    def batches(self, data, run, epoch):
        return super().batches(data, run, 0)


class IgnoresTheSeed(Correct):
    """A seed of its own."""

    def batches(self, data, run, epoch):
        torch.manual_seed(epoch)
        return pegboard.bucketed_batches(data.train.lengths, self.options.batch_size, seed=[42, epoch])


class SeedsByTime(Correct):
    """The clock as a seed."""

    def batches(self, data, run, epoch):
        return pegboard.bucketed_batches(data.train.lengths, self.options.batch_size, seed=[time.time_ns() % 2**32])


class MinimizesTheSum(Correct):
    """`loss_sum.backward()`."""

    def step(self, model, optimizer, batch):
        output = model(**batch)
        if not output.loss_sum.isfinite():
            raise pegboard.RunError("the loss is not a number")
        optimizer.zero_grad()
        output.loss_sum.backward()
        optimizer.step()


class KeepsGradients(Correct):
    """`zero_grad()` was forgotten."""

    def step(self, model, optimizer, batch):
        optimizer.zero_grad, zero = (lambda: None), optimizer.zero_grad
        try:
            super().step(model, optimizer, batch)
        finally:
            optimizer.zero_grad = zero


class ForgetsToStep(Correct):
    """Computes gradients and leaves it at that."""

    def step(self, model, optimizer, batch):
        optimizer.step, step = (lambda: None), optimizer.step
        try:
            super().step(model, optimizer, batch)
        finally:
            optimizer.step = step


class MixesUpLabels(Correct):
    """Labels belong to the row before."""

    def step(self, model, optimizer, batch):
        super().step(model, optimizer, {**batch, "labels": batch["labels"].roll(1)})


class KnowsOfClasses(Correct):
    """Computes the loss itself, as if every row had one label."""

    def step(self, model, optimizer, batch):
        output, labels = model(**batch), batch["labels"]
        loss = output.loss_sum / output.loss_weight
        if not loss.isfinite():
            raise pegboard.RunError("the loss is not a number")
        if labels.ndim > 1:
            loss = torch.nn.functional.cross_entropy(output.outputs, labels.float().argmax(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class StaysInEvaluation(Correct):
    """Does not go back to training mode after validating."""

    def epoch(self, model, optimizer, data, run, epoch):
        train, model.train = model.train, lambda mode=True: model
        try:
            super().epoch(model, optimizer, data, run, epoch)
        finally:
            model.train = train


class ValidatesWithDropout(Correct):
    """Does not leave training mode for validating."""

    def validate(self, model, data):
        with torch.no_grad():
            model(**data.validation.collate(np.arange(len(data.validation))))


class ForgetsToReport(Correct):
    """The last epoch is not reported."""

    def report(self, run, epoch):
        if epoch + 1 < self.options.epochs:
            super().report(run, epoch)


class CountsFromZero(Correct):
    """The first epoch is number 0."""

    def report(self, run, epoch):
        run.epoch_finished({"epoch": epoch})


class OneEpochMore(Correct):
    """Runs an epoch more than it tells."""

    def epoch(self, model, optimizer, data, run, epoch):
        super().epoch(model, optimizer, data, run, epoch)
        if epoch == 0:
            super().epoch(model, optimizer, data, run, 99)


class IgnoresMaxSteps(Correct):
    """Counts steps and goes on."""

    def epoch(self, model, optimizer, data, run, epoch):
        for rows in self.batches(data, run, epoch):
            self.step(model.train(), optimizer, data.train.collate(rows))
        self.steps = self.options.max_steps


class OneStepMore(Correct):
    """Looks at the limit after the step that is beyond it."""

    def epoch(self, model, optimizer, data, run, epoch):
        model.train()
        for rows in self.batches(data, run, epoch):
            self.step(model, optimizer, data.train.collate(rows))
            self.steps += 1
            if self.options.max_steps and self.steps > self.options.max_steps:
                break


class TellsNoSeconds(Correct):
    """The figures lack the cost."""

    def figures(self, seconds):
        return {"epochs": self.options.epochs}


class SwallowsInterrupts(Correct):
    """`except BaseException`."""

    def step(self, model, optimizer, batch):
        try:
            super().step(model, optimizer, batch)
        except pegboard.RunError:
            raise
        except BaseException:
            return

    def epoch(self, model, optimizer, data, run, epoch):
        try:
            super().epoch(model, optimizer, data, run, epoch)
        except KeyboardInterrupt:
            return


class StopsAtTheEndOnly(Correct):
    """Notes the interrupt and trains on."""

    def fit(self, model, data, run):
        noted = []
        before = signal.signal(signal.SIGINT, lambda *arguments: noted.append(1))
        try:
            figures = super().fit(model, data, run)
        finally:
            signal.signal(signal.SIGINT, before)
        if noted:
            raise KeyboardInterrupt
        return figures


class RestartsInSecret(Correct):
    """Declares `resumes` and starts from the beginning."""

    def restore(self, model, optimizer, run):
        return 0


class ForgetsTheMoments(Correct):
    """Resumes the weights without the optimizer's state."""

    def restore_optimizer(self, optimizer, state):
        return None


class RepeatsAnEpoch(Correct):
    """Goes on with the epoch that was finished."""

    def restore(self, model, optimizer, run):
        return max(0, super().restore(model, optimizer, run) - 1)


class KeepsNothing(Correct):
    """Declares `resumes` and has nothing to resume from."""

    def keep(self, model, optimizer, run, epoch):
        return None


class PicklesItsState(Correct):
    """`torch.save` under a name that looks harmless."""

    def keep(self, model, optimizer, run, epoch):
        super().keep(model, optimizer, run, epoch)
        torch.save(optimizer.state_dict(), run.checkpoints / "optimizer.safetensors")


class TrainsACopy(Correct):
    """Leaves the model that was given as it was."""

    def fit(self, model, data, run):
        return super().fit(copy.deepcopy(model), data, run)


class RenamesParameters(Correct):
    """Wraps a layer and leaves it wrapped."""

    def fit(self, model, data, run):
        figures = super().fit(model, data, run)
        model.head = torch.nn.Sequential(model.head)
        return figures


class DecaysTheFrozen(Correct):
    """Weight decay by hand, on every parameter."""

    def step(self, model, optimizer, batch):
        super().step(model, optimizer, batch)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.999)


class SkipsWhatIsNoNumber(Correct):
    """Skips a batch whose loss is not a number."""

    def step(self, model, optimizer, batch):
        try:
            super().step(model, optimizer, batch)
        except pegboard.RunError:
            return


class LeavesAHandler(Correct):
    """Does not put the signal handler back."""

    def fit(self, model, data, run):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return super().fit(model, data, run)


class LeavesGradientsOff(Correct):
    """Switches gradients off to validate, for good."""

    def figures(self, seconds):
        torch.set_grad_enabled(False)
        return super().figures(seconds)


class LeavesThreads(Correct):
    """Sets the number of threads for everybody."""

    def figures(self, seconds):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().figures(seconds)


@pegboard.hookimpl
def pegboard_trainers():
    for mutant in list(globals().values()):
        if isinstance(mutant, type) and issubclass(mutant, Correct):
            name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[A-Z][a-z])", "-", mutant.__name__).lower()
            factory = f"{__name__}:{mutant.__name__}"
            yield pegboard.ComponentSpec(
                name=name, factory=factory, options=f"{__name__}:LoopOptions", summary=mutant.__doc__
            )
