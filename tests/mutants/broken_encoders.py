"""One correct encoder, and variations of it that have one realistic fault each."""

import re

import numpy as np
import pegboard
import torch
from torch import nn
from torch.nn import functional


class SmallOptions(pegboard.Options):
    size: int = 12


class Correct(nn.Module):
    """Mean of vectors that know their position."""

    max_length = 40

    def __init__(self, options, vocab):
        super().__init__()
        self.hidden_size = options.size
        self.embedding = nn.Embedding(vocab.size, options.size)
        self.positions = nn.Embedding(self.max_length, options.size)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, options.size))
        self.mix = nn.Linear(options.size, options.size)
        self.dropout = nn.Dropout(0.1)

    def forward(self, input_ids, attention_mask):
        states = self.states(input_ids, attention_mask)
        return pegboard.EncoderOutput(states, self.pool(states, attention_mask))

    def states(self, ids, mask):
        placed = self.embedding(ids) * self.scale + self.positions.weight[: ids.shape[1]]
        return self.dropout(torch.tanh(self.mix(placed)))

    def pool(self, states, mask):
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


class MeanOverPadding(Correct):
    """`states.mean(1)`."""

    def pool(self, states, mask):
        return states.mean(1)


class DividesByTime(Correct):
    """Sums tokens only, but divides by the length of the batch."""

    def pool(self, states, mask):
        return (states * mask.unsqueeze(-1)).sum(1) / mask.shape[1]


class MaskInverted(Correct):
    """Takes the mask for PyTorch's key_padding_mask."""

    def pool(self, states, mask):
        return super().pool(states, mask == 0)


class MaxOverPadding(Correct):
    """`states.amax(1)`."""

    def pool(self, states, mask):
        return states.amax(1)


class MaxOverZeros(Correct):
    """Padding is set to zero, which is more than a negative number."""

    def pool(self, states, mask):
        return (states * mask.unsqueeze(-1)).amax(1)


class LastOfTheBatch(Correct):
    """`states[:, -1]`."""

    def pool(self, states, mask):
        return states[:, -1]


class ReadsPaddingBackwards(Correct):
    """The backward direction of a GRU begins with the padding."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.gru = nn.GRU(options.size, options.size // 2, batch_first=True, bidirectional=True)

    def states(self, ids, mask):
        return self.gru(super().states(ids, mask))[0]


class AttendsToPadding(Correct):
    """A softmax over all positions."""

    def states(self, ids, mask):
        states = super().states(ids, mask)
        return states + torch.softmax(states @ states.transpose(1, 2), -1) @ states


class TrustsThePaddingId(Correct):
    """Looks for [PAD] in the ids instead of at the mask."""

    def forward(self, input_ids, attention_mask):
        return super().forward(input_ids, (input_ids != 0).long())


class NormalizesTheBatch(Correct):
    """Statistics of the batch, also in evaluation."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.norm = nn.BatchNorm1d(options.size, track_running_stats=False)

    def pool(self, states, mask):
        pooled = super().pool(states, mask)
        return self.norm(pooled) if len(pooled) > 1 else pooled


class SortsByLength(Correct):
    """Sorts for packing and does not sort back."""

    def forward(self, input_ids, attention_mask):
        order = attention_mask.sum(1).argsort(descending=True, stable=True)
        return super().forward(input_ids[order], attention_mask[order])


class UnusedParameter(Correct):
    """A layer that `forward` forgot."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.output = nn.Linear(options.size, options.size)


class DeadParameter(Correct):
    """A bias before a softmax over positions, where it cancels out."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.score = nn.Linear(options.size, 1)

    def pool(self, states, mask):
        scores = (self.score(states) * 0.0).squeeze(-1).masked_fill(mask == 0, -1e4)
        return (states * torch.softmax(scores, -1).unsqueeze(-1) * (mask.sum(1) > 0)[:, None, None]).sum(1)


class DetachedPooled(Correct):
    """Pools what carries no gradient."""

    def pool(self, states, mask):
        return super().pool(states.detach(), mask)


class DropsOutAlways(Correct):
    """The functional form, which is on by default."""

    def pool(self, states, mask):
        return functional.dropout(super().pool(states, mask), 0.1)


class WrongHiddenSize(Correct):
    """Two pooled vectors side by side, and the size of one."""

    def pool(self, states, mask):
        pooled = super().pool(states, mask)
        return torch.cat([pooled, pooled], -1)


class SqueezesABatchOfOne(Correct):
    """`squeeze()` without an axis."""

    def pool(self, states, mask):
        return super().pool(states, mask).squeeze()


class WideStates(Correct):
    """NumPy's constants are float64."""

    def states(self, ids, mask):
        return super().states(ids, mask) * torch.from_numpy(np.ones(1))


class ConstantIsNoBuffer(Correct):
    """A plain attribute stays on the CPU."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        del self.scale
        self.scale = torch.linspace(0.5, 1.5, options.size)


class MakesFloats(Correct):
    """Turns the mask to float32, whatever the weights are."""

    def states(self, ids, mask):
        return super().states(ids, mask).float()

    def pool(self, states, mask):
        return super().pool(states.float(), mask)


class BufferIsNotSaved(Correct):
    """A random projection that the saved weights don't have."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.register_buffer("projection", torch.randn(options.size, options.size), persistent=False)

    def states(self, ids, mask):
        return super().states(ids, mask) @ self.projection


class OwnSeed(Correct):
    """All weights come from a generator with a seed of its own."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)


class Unseeded(Correct):
    """An embedding from NumPy's unseeded generator."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        drawn = np.random.default_rng().normal(size=(vocab.size, options.size))
        self.embedding.weight.data = torch.from_numpy(drawn).float()


class EmbeddingTooSmall(Correct):
    """Thinks that padding needs no row."""

    def __init__(self, options, vocab):
        super().__init__(options, vocab)
        self.embedding = nn.Embedding(vocab.size - 1, options.size)


class OnePositionTooFew(Correct):
    """Positions are counted from one and run out."""

    def states(self, ids, mask):
        positions = self.positions(torch.arange(1, ids.shape[1] + 1, device=ids.device))
        return self.dropout(torch.tanh(self.mix(self.embedding(ids) * self.scale + positions)))


class DividesByZero(Correct):
    """A mean over no tokens."""

    def pool(self, states, mask):
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)


class ChangesIds(Correct):
    """Cleans the padding of its input."""

    def states(self, ids, mask):
        return super().states(ids.masked_fill_(mask == 0, 0), mask)


class IgnoresTheFirst(Correct):
    """Takes the first token for [CLS], which it is not."""

    def pool(self, states, mask):
        return super().pool(states[:, 1:], mask[:, 1:])


class IgnoresTheMiddle(Correct):
    """First and last token only."""

    def pool(self, states, mask):
        last = (mask.sum(1) - 1).clamp(min=0)
        return (states[:, 0] + states[torch.arange(len(states)), last]) * (mask.sum(1) > 0)[:, None]


class IgnoresTheLast(Correct):
    """The mask is one short."""

    def pool(self, states, mask):
        return super().pool(states[:, :-1], mask[:, 1:])


class SubtractsTheMask(Correct):
    """`1 - mask` fails for bool."""

    def pool(self, states, mask):
        return super().pool(states, 1 - (1 - mask))


class ScattersIntoFloats(Correct):
    """Collects states in a tensor that is float32 whatever they are."""

    def states(self, ids, mask):
        states = super().states(ids, mask)
        collected = torch.zeros(states.shape, dtype=self.mix.weight.dtype)
        collected[mask != 0] = states[mask != 0]
        return collected


class LeaksIntoStates(Correct):
    """Each state gets a bit of all, of padding too; the pooled vector does not."""

    def forward(self, input_ids, attention_mask):
        states, pooled = super().forward(input_ids, attention_mask)
        return pegboard.EncoderOutput(states + states.mean(1, keepdim=True), pooled)


class StopsHalfway(Correct):
    """Reads the first twenty tokens, though it says that it takes forty."""

    def forward(self, input_ids, attention_mask):
        return super().forward(input_ids[:, :20], attention_mask[:, :20])


@pegboard.hookimpl
def pegboard_encoders():
    for mutant in list(globals().values()):
        if isinstance(mutant, type) and issubclass(mutant, Correct):
            name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[A-Z][a-z])", "-", mutant.__name__).lower()
            factory = f"{__name__}:{mutant.__name__}"
            yield pegboard.ComponentSpec(
                name=name, factory=factory, options=f"{__name__}:SmallOptions", summary=mutant.__doc__
            )
