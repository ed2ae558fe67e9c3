"""What every encoder must do."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pegboard.contracts.encoder import EncoderOutput
from pegboard.contracts.tokenizer import VocabInfo
from pegboard.testing.conformance import Conformance, NotApplicable, assert_only_data, temporary_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EncoderConformance"]

TOLERANCE = 1e-5


class EncoderConformance(Conformance):
    """Subclass it, set `component`, and pytest checks your encoder.

    Attributes:
        vocabulary: the number of ids that the encoder is built for, where its options don't decide that.

    Example:
        >>> class TestRnn(EncoderConformance):
        ...     component = "rnn"
    """

    kind: ClassVar[str] = "encoder"
    vocabulary: ClassVar[int] = 50
    settings: ClassVar[tuple[str, ...]] = (*Conformance.settings, "vocabulary")

    def built(self, seed: int = 0) -> Any:
        """A new encoder in evaluation mode, its weights drawn with `seed`."""
        from pegboard.pipeline.model import seed_everything

        seed_everything(seed)
        return self.factory(self.checked_options(), VocabInfo(self.vocabulary, 0, 16)).eval()

    @cached_property
    def encoder(self) -> Any:
        """An encoder in evaluation mode."""
        return self.built()

    def run(self, lengths: list[int], *, time: int | None = None, encoder: Any = None, seed: int = 1) -> EncoderOutput:
        """The output for rows of random ids of these lengths, padded to `time`."""
        import torch

        ids, mask = self.batch(lengths, time=time, seed=seed)
        with torch.no_grad():
            output: EncoderOutput = (encoder or self.encoder)(ids, mask)
        return output

    def batch(self, lengths: list[int], *, time: int | None = None, seed: int = 1) -> tuple[Tensor, Tensor]:
        """Ids and mask int64 [rows, time]; row i has the same ids whatever the other rows are."""
        import torch

        time = time or max(1, *lengths)
        ids = torch.zeros(len(lengths), time, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, length in enumerate(lengths):
            generator = torch.Generator().manual_seed(1000 * seed + length)
            ids[row, :length] = torch.randint(1, self.vocabulary, (length,), generator=generator)
            mask[row, :length] = 1
        return ids, mask

    def digest(self) -> str:
        """A hash of the initial weights and of an output."""
        encoder = self.built()
        summary = hashlib.sha256()
        for name, tensor in sorted(encoder.state_dict().items()):
            summary.update(name.encode() + tensor.numpy().tobytes())
        summary.update(self.run([3, 7], encoder=encoder).pooled.numpy().tobytes())
        return summary.hexdigest()

    def test_it_is_a_module(self) -> None:
        """It is a `torch.nn.Module` with `hidden_size` and `max_length`.

        The pipeline builds the classifier's head from the one and checks the tokenizer against the other.
        """
        from torch import nn

        assert isinstance(self.encoder, nn.Module), f"it is a {type(self.encoder).__name__}"
        assert isinstance(self.encoder.hidden_size, int), "hidden_size must be an int"
        longest = self.encoder.max_length
        assert longest is None or isinstance(longest, int), f"max_length is a {type(longest).__name__}"

    def test_shapes(self) -> None:
        """States are [batch, time, hidden], pooled [batch, hidden_size], float32 and finite.

        The head has `hidden_size` inputs; everything after relies on it.
        """
        import torch

        for lengths in ([4], [5, 2, 7], [1, 1]):
            states, pooled = self.run(lengths)
            assert pooled.shape == (len(lengths), self.encoder.hidden_size), (
                f"pooled has the shape {tuple(pooled.shape)}"
            )
            assert states.ndim == 3, f"states have the shape {tuple(states.shape)}"
            assert len(states) == len(lengths), f"states have the shape {tuple(states.shape)}"
            assert 1 <= states.shape[1] <= max(lengths), "there are more states than positions"
            assert states.dtype == torch.float32, f"states are {states.dtype}"
            assert pooled.dtype == torch.float32, f"the pooled vector is {pooled.dtype}"
            assert states.isfinite().all(), "states are not finite"
            assert pooled.isfinite().all(), "the pooled vector is not finite"

    def test_padding_changes_nothing(self) -> None:
        """More padding on the right changes neither the pooled vector nor the states of real positions.

        A result that depends on the longest text of its batch is a different one at every batch size.
        """
        for length in (1, 5, 9):
            tight, wide = self.run([length]), self.run([length], time=14)
            assert _close(tight.pooled, wide.pooled), f"pooled changes by {_difference(tight.pooled, wide.pooled):.1e}"
            if tight.states.shape[1] == length:
                same = _close(tight.states, wide.states[:, :length])
                assert same, "the states of real positions change with padding"

    def test_padding_ids_are_not_read(self) -> None:
        """What ids stand under the mask's zeros does not matter.

        Only the mask says what is padding.
        """
        import torch

        ids, mask = self.batch([5, 3], time=9)
        other_ids = ids.masked_fill(mask == 0, self.vocabulary - 1)
        with torch.no_grad():
            expected, other = self.encoder(ids, mask).pooled, self.encoder(other_ids, mask).pooled
        assert _close(expected, other), f"other ids under padding change pooled by {_difference(expected, other):.1e}"

    def test_neighbours_change_nothing(self) -> None:
        """A text's output does not depend on the other texts of its batch, nor on its place.

        Batches are composed differently in training, evaluation and serving.
        """
        together = self.run([6, 2, 4]).pooled
        for row, length in enumerate([6, 2, 4]):
            alone = self.run([length]).pooled[0]
            assert _close(together[row], alone), f"alone it differs by {_difference(together[row], alone):.1e}"
        assert _close(self.run([4, 6, 2]).pooled, together[[2, 0, 1]]), "the order of a batch changes results"

    def test_every_token_counts(self) -> None:
        """Whichever token of a text is changed, its pooled vector changes.

        An inverted or shifted mask drops tokens and still trains.
        """
        for row, length in enumerate([6, 4]):
            for position in range(length):
                assert self._counts(row, position), f"token {position + 1} of {length} does not count"

    def _counts(self, row: int, position: int) -> bool:
        """Whether the token matters; several others are tried, since a maximum may belong to its neighbours."""
        import torch

        ids, mask = self.batch([6, 4], time=6)
        with torch.no_grad():
            before = self.encoder(ids, mask).pooled[row]
            for _ in range(10):
                ids[row, position] = ids[row, position] % (self.vocabulary - 1) + 1
                if not torch.equal(before, self.encoder(ids, mask).pooled[row]):
                    return True
        return False

    def test_mask_may_be_bool(self) -> None:
        """A bool mask gives what an int64 mask gives.

        Both are common; a subtraction that works for one fails for the other.
        """
        import torch

        ids, mask = self.batch([5, 3])
        with torch.no_grad():
            as_int, as_bool = self.encoder(ids, mask).pooled, self.encoder(ids, mask.bool()).pooled
        assert _close(as_int, as_bool), f"with a bool mask pooled differs by {_difference(as_int, as_bool):.1e}"

    def test_input_is_left_alone(self) -> None:
        """Ids and mask are not changed.

        The caller still needs them.
        """
        import torch

        ids, mask = self.batch([5, 3], time=8)
        ids.masked_fill_(mask == 0, self.vocabulary - 1)
        ids_before, mask_before = ids.clone(), mask.clone()
        with torch.no_grad():
            self.encoder(ids, mask)
        assert torch.equal(ids, ids_before), "ids were changed"
        assert torch.equal(mask, mask_before), "the mask was changed"

    def test_length_one_and_the_maximum_work(self) -> None:
        """A text of one token works, and one of `max_length` tokens (or 600, without a limit).

        The limits are where positions run out.
        """
        for length in (1, self.encoder.max_length or 600):
            assert self.run([length, 1]).pooled.isfinite().all(), f"length {length} gives values that are not finite"

    def test_lengths_up_to_the_maximum_work(self) -> None:
        """Texts of all lengths up to `max_length` (or 600, without a limit) are read to their end, beside a short one.

        An encoder that quietly stops earlier learns from beginnings only; the tokenizer cuts where `max_length` says.
        """
        import torch

        longest = self.encoder.max_length or 600
        alone = self.run([1]).pooled[0]
        for length in sorted({min(2, longest), (longest + 1) // 2, max(1, longest - 1), longest}):
            ids, mask = self.batch([length, 1])
            with torch.no_grad():
                states, pooled = self.encoder(ids, mask)
                ids[0, length // 2 :] = ids[0, length // 2 :] % (self.vocabulary - 1) + 1
                changed = self.encoder(ids, mask).pooled
            assert pooled.shape == (2, self.encoder.hidden_size), f"length {length}: pooled is {tuple(pooled.shape)}"
            assert states.isfinite().all(), f"length {length} gives states that are not finite"
            assert _close(pooled[1], alone), f"a neighbour of {length} tokens changes a text of one token"
            assert not torch.equal(pooled[0], changed[0]), f"the second half of {length} tokens does not count"

    def test_a_row_without_tokens_is_finite(self) -> None:
        """A row that is all padding gives finite numbers.

        A text can lose all its tokens; a mean over none is not a number and spoils the whole batch.
        """
        output = self.run([4, 0])
        assert output.pooled.isfinite().all(), "a row without tokens gives values that are not finite"
        assert _close(output.pooled[0], self.run([4]).pooled[0]), "a row without tokens changes its neighbour"

    def test_every_id_is_accepted(self) -> None:
        """Every id of the vocabulary is accepted, the first and the last included.

        An embedding that is one short fails on the rarest word.
        """
        import torch

        ids = torch.tensor([[0, 1, self.vocabulary - 1]])
        with torch.no_grad():
            try:
                pooled = self.encoder(ids, torch.ones_like(ids)).pooled
            except (IndexError, RuntimeError) as error:
                raise AssertionError(f"ids 0, 1 and {self.vocabulary - 1} of {self.vocabulary}: {error}") from error
        assert pooled.isfinite().all(), "an id gives values that are not finite"

    def test_gradient_reaches_every_parameter(self) -> None:
        """A loss on the output gives every trainable parameter a gradient that is not zero.

        A parameter without one is never trained; with several processes it makes them hang.
        """
        encoder = self.built().train()
        ids, mask = self.batch([9, 12, 11, 10])
        states, pooled = encoder(ids, mask)
        weights = _noise(pooled)
        ((pooled * weights).sum() + (states * _noise(states)).sum()).backward()
        for name, parameter in encoder.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, f"{name} gets no gradient"
                assert parameter.grad.to_dense().isfinite().all(), f"the gradient of {name} is not finite"
        unused = [n for n, p in encoder.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0]
        assert not unused, f"the gradient is zero for {', '.join(unused[:3])}"

    def test_pooled_trains_the_embedding(self) -> None:
        """The gradient of the pooled vector alone reaches the parameters that read the ids.

        A pooled vector that is detached trains nothing but the head.
        """
        encoder = self.built().train()
        pooled = encoder(*self.batch([5, 3])).pooled
        assert pooled.requires_grad, "the pooled vector carries no gradient"
        (pooled * _noise(pooled)).sum().backward()
        reached = [p for p in encoder.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert reached, "no parameter gets a gradient from the pooled vector"

    def test_evaluation_is_deterministic(self) -> None:
        """In evaluation mode the same input gives the same output.

        Dropout that stays on makes every prediction a draw.
        """
        import torch

        first, second = self.run([7, 5]), self.run([7, 5])
        assert torch.equal(first.pooled, second.pooled), "two calls differ"

    def test_different_seeds_give_different_weights(self) -> None:
        """The weights come from torch's seeded generator.

        An encoder with a generator of its own ignores the recipe's seed.
        """
        import torch

        if not any(True for _ in self.encoder.parameters()):
            raise NotApplicable("it has no parameters")
        one, other = (dict(self.built(seed).named_parameters()) for seed in (1, 2))
        if self.has_option("pretrained") and getattr(self.checked_options(), "pretrained", None):
            raise NotApplicable("its weights are pretrained")
        assert any(not torch.equal(one[name], other[name]) for name in one), "the seed changes nothing"

    def test_weights_survive_safetensors(self) -> None:
        """Weights saved with safetensors and loaded into a new encoder give the same output.

        A buffer that is computed but not saved, or a tensor that two names share, is lost or refused.
        """
        import torch
        from safetensors.torch import load_file, save_file

        with temporary_folder() as folder:
            state = {name: tensor.contiguous().clone() for name, tensor in self.encoder.state_dict().items()}
            save_file(state, folder / "weights.safetensors")
            assert_only_data(folder)
            other = self.built(seed=99)
            other.load_state_dict(load_file(folder / "weights.safetensors"))
        assert torch.equal(self.run([6, 3]).pooled, self.run([6, 3], encoder=other.eval()).pooled), "outputs differ"

    def test_it_moves_between_devices(self) -> None:
        """Every tensor it uses moves with it, to another precision and to a GPU if there is one.

        A tensor that is no buffer stays behind, and fails on the first machine with a GPU.
        """
        import torch

        stranded = _plain_tensors(self.built())
        assert not stranded, f"{', '.join(stranded)} would stay behind: register it as a buffer"
        wide = self.built().double()
        pooled = self.run([5, 2], encoder=wide).pooled
        assert pooled.dtype == torch.float64, f"in float64 the pooled vector is {pooled.dtype}"
        assert _difference(pooled.float(), self.run([5, 2]).pooled) < 1e-3, "in float64 it gives something else"
        if torch.cuda.is_available():
            ids, mask = (tensor.cuda() for tensor in self.batch([5, 2]))
            with torch.no_grad():
                on_gpu = self.built().cuda()(ids, mask).pooled
            assert on_gpu.device.type == "cuda", f"the output is on {on_gpu.device}"
            assert _difference(on_gpu.cpu(), self.run([5, 2]).pooled) < 1e-3, "on the GPU it gives something else"

    def test_autocast_stays_finite(self) -> None:
        """Under bf16 autocast the output is finite and near that in float32.

        Trainers turn it on by themselves where it is faster.
        """
        import torch

        ids, mask = self.batch([6, 3])
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = self.encoder(ids, mask).pooled.float()
        assert pooled.isfinite().all(), "the output is not finite"
        expected = self.run([6, 3]).pooled
        assert _difference(pooled, expected) < 0.1 * max(1.0, float(expected.abs().max())), "the output is far off"


def _plain_tensors(encoder: nn.Module) -> list[str]:
    """Names of attributes that hold a tensor which is neither a parameter nor a buffer, and so never moves."""
    import torch

    registered = {id(tensor) for tensor in (*encoder.parameters(), *encoder.buffers())}
    found = []
    for module_name, module in encoder.named_modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
                tensors = [item for item in (value, *held) if isinstance(item, torch.Tensor)]
                if any(id(tensor) not in registered for tensor in tensors):
                    found.append(f"{module_name}.{name}".lstrip("."))
    return found


def _noise(like: Tensor) -> Tensor:
    import torch

    return torch.randn(like.shape, generator=torch.Generator().manual_seed(5))


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and _difference(one, other) <= TOLERANCE


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())
