"""The encoder `bert`: transformers' BertModel behind Pegboard's contract.

Devlin et al. (2019), BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pegboard import ArtifactError, Dropout, EncoderOutput, PegboardWarning, RecipeError, VocabInfo, read_tensors
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from pegboard_bert.checkpoint import Checkpoint, open_checkpoint, read_json

if TYPE_CHECKING:
    from pegboard_bert.options import BertOptions

__all__ = ["BertEncoder"]

_WHERE = "encoder.pretrained"
_HOW_TO_CONVERT = (
    "choose a checkpoint or a revision with model.safetensors; or, where you trust its origin, convert it in its "
    'folder (torch 2.6 or newer): python -c "import torch, safetensors.torch as s; '
    "w = torch.load('pytorch_model.bin', map_location='cpu', weights_only=True); "
    "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors', {'format': 'pt'})\""
)
_BUFFERS = {"embeddings.position_ids", "embeddings.token_type_ids"}
_POOLER = {"pooler.dense.weight", "pooler.dense.bias"}
_ARCHITECTURE = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "max_position_embeddings"),
    *("type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id"),
)
"""What is taken from a config.json. Other entries can name code, such as an attention kernel to be fetched and run."""
_NOT_ARCHITECTURE = {
    "auto_map",
    "dtype",
    "output_attentions",
    "output_hidden_states",
    "pegboard",
    "return_dict",
    "torch_dtype",
    "torchscript",
}


class BertEncoder(nn.Module):
    """BERT, from a checkpoint or with random weights.

    The pooled vector is BERT's own: a linear layer and tanh over the state of the first token, [CLS]. So the network
    that Pegboard trains is exactly transformers' BertForSequenceClassification, and that class opens what is saved.

    Args:
        options: the checkpoint, or the sizes.
        vocab: the tokenizer's ids.
        architecture: build this architecture and read no checkpoint; its weights are loaded afterwards.

    Attributes:
        hidden_size: size of the vectors.
        max_length: the longest sequence.

    Raises:
        RecipeError: the checkpoint is not a BERT in safetensors, or the tokenizer is not the checkpoint's.
        ComponentError: the checkpoint can't be had: no such package, or neither cached nor reachable.

    Example:
        >>> encoder = BertEncoder(BertOptions(), VocabInfo(size=8000, pad_id=0, max_length=128))
        >>> ids = torch.tensor([[2, 17, 99, 3]])
        >>> encoder(ids, torch.ones_like(ids)).pooled.shape
        torch.Size([1, 128])
    """

    weight_names = {"encoder.bert.": "bert.", "head.": "classifier."}  # noqa: RUF012 - the contract's form

    def __init__(self, options: BertOptions, vocab: VocabInfo, *, architecture: BertConfig | None = None) -> None:
        super().__init__()
        if architecture is not None:
            self.bert = _built(architecture)
        elif options.pretrained is None:
            self.bert = _built(_config_of_sizes(options, vocab))
        else:
            checkpoint = open_checkpoint(options.pretrained, options.revision, where=_WHERE)
            config = _config_of(checkpoint, options)
            _check_tokenizer(checkpoint, config, vocab)
            self.bert = _with_weights(_built(config), checkpoint)
        _with_fast_dropout(self.bert)
        self.hidden_size: int = self.bert.config.hidden_size
        self.max_length: int = self.bert.config.max_position_embeddings

    def train(self, mode: bool = True) -> BertEncoder:
        """Switch between training and prediction, and so the kind of attention."""
        if hasattr(
            self.bert, "set_attn_implementation"
        ):  # older versions of transformers choose once, when it is built
            self.bert.set_attn_implementation(_attention(training=mode))
        return super().train(mode)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncoderOutput:
        """States float [batch, time, hidden] and BERT's pooled vector float [batch, hidden].

        Args:
            input_ids: int64 [batch, time].
            attention_mask: int64 or bool [batch, time]; 1 for tokens, 0 for padding on the right.
        """
        # A row of padding only still attends to its first position, so that its softmax has something to sum to.
        visible = attention_mask.to(torch.long, copy=True)
        visible[:, 0] = 1
        output = self.bert(input_ids=input_ids, attention_mask=visible, return_dict=True)
        return EncoderOutput(output.last_hidden_state, output.pooler_output)

    def transformers_config(self) -> dict[str, Any]:
        """The entries of `config.json` from which transformers builds a BertForSequenceClassification."""
        entries: dict[str, Any] = self.bert.config.to_dict()
        known = {name for name in BertConfig().to_dict() if not name.startswith("_")}
        kept = {name: entries[name] for name in known - _NOT_ARCHITECTURE - {"id2label", "label2id"}}
        return {
            **dict(sorted(kept.items())),
            "architectures": ["BertForSequenceClassification"],
            "model_type": "bert",
            "problem_type": "single_label_classification",
        }

    @classmethod
    def from_saved(cls, options: BertOptions, vocab: VocabInfo, folder: Path) -> BertEncoder:
        """The architecture of a saved model, from its `config.json` alone.

        Raises:
            ArtifactError: it does not describe a BERT.
        """
        file = folder / "config.json"
        try:
            return cls(options, vocab, architecture=_config(read_json(file, str(file))))
        except RecipeError as error:
            raise ArtifactError(error.what, where=str(file)) from None


def _config_of_sizes(options: BertOptions, vocab: VocabInfo) -> BertConfig:
    return _config(
        {
            "model_type": "bert",
            "vocab_size": vocab.size,
            "pad_token_id": vocab.pad_id,
            "hidden_size": options.hidden_size,
            "num_hidden_layers": options.layers,
            "num_attention_heads": options.heads,
            "intermediate_size": options.intermediate_size,
            "max_position_embeddings": options.max_positions,
            "hidden_dropout_prob": options.dropout,
            "attention_probs_dropout_prob": options.dropout,
            "type_vocab_size": 2,
        }
    )


def _config_of(checkpoint: Checkpoint, options: BertOptions) -> BertConfig:
    file = checkpoint.find("config.json")
    if file is None:
        raise RecipeError(f"{checkpoint.reference!r} has no config.json, so it is no checkpoint", where=_WHERE)
    entries = read_json(file, _WHERE)
    if options.dropout is not None:
        entries |= {"hidden_dropout_prob": options.dropout, "attention_probs_dropout_prob": options.dropout}
    return _config(entries)


def _config(entries: dict[str, Any]) -> BertConfig:
    """A BertConfig, unless the entries describe something that BertModel would take for a BERT but is none."""
    family = entries.get("model_type")
    if family != "bert":
        named = f"the model type {family!r}" if isinstance(family, str) else "no model type"
        raise RecipeError(
            f"the checkpoint has {named}, and this encoder takes 'bert' only",
            where=_WHERE,
            hint="choose a BERT checkpoint, such as google-bert/bert-base-uncased",
        )
    positions = entries.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise RecipeError(f"the checkpoint has {positions!r} positions; only absolute ones are known", where=_WHERE)
    if entries.get("is_decoder") or entries.get("add_cross_attention"):
        raise RecipeError("the checkpoint is a decoder, not an encoder", where=_WHERE)
    described = {name: entries[name] for name in _ARCHITECTURE if name in entries}
    with _readable():
        config: BertConfig = BertConfig.from_dict(described, attn_implementation=_attention(training=True))
    return config


def _attention(*, training: bool) -> str:
    """Both kinds of attention give the same results; on a CPU the plain one trains faster and predicts slower."""
    return "eager" if training and not torch.cuda.is_available() else "sdpa"


def _built(config: BertConfig) -> BertModel:
    with _readable():
        return BertModel(config)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Both reading a config and building its model check values, each with exceptions of its own."""
    try:
        yield
    except Exception as error:
        raise RecipeError(f"config.json does not describe a BERT: {error}", where=_WHERE) from None


def _check_tokenizer(checkpoint: Checkpoint, config: BertConfig, vocab: VocabInfo) -> None:
    """The ids must be the checkpoint's own: other ids would find the vectors of other tokens, silently."""
    if vocab.size in (config.vocab_size, _own_vocabulary(checkpoint)) and vocab.size <= config.vocab_size:
        return
    raise RecipeError(
        f"the tokenizer has {vocab.size:,} tokens, and the checkpoint {checkpoint.reference!r} knows "
        f"{config.vocab_size:,} of its own: they do not belong together",
        where="tokenizer",
        hint="--tokenizer pretrained takes the checkpoint's own; with random weights any tokenizer will do",
    )


def _own_vocabulary(checkpoint: Checkpoint) -> int | None:
    """Tokens of the checkpoint's tokenizer: fewer than its embeddings where those were padded to a round number."""
    from pegboard_bert.tokenizer import read_tokenizer

    try:
        return read_tokenizer(checkpoint, where=_WHERE).vocab_size
    except (ArtifactError, RecipeError):
        return None


def _with_weights(bert: BertModel, checkpoint: Checkpoint) -> BertModel:
    """Copy the checkpoint's weights into `bert`; all of them must be there, with the right shapes and finite.

    Only a missing pooler is forgiven, with a warning: checkpoints trained without next-sentence prediction have none.
    Heads of other tasks are left out.
    """
    found = {_name_here(name): tensor for name, tensor in _read_weights(checkpoint).items()}
    wanted = bert.state_dict()
    missing = wanted.keys() - found.keys()
    if missing == _POOLER:
        warnings.warn(
            f"the checkpoint {checkpoint.reference!r} has no pooler; it starts with random weights",
            PegboardWarning,
            stacklevel=2,
        )
        missing = set()
    if missing:
        raise _unfit(checkpoint, f"lacks {len(missing)} tensors, such as {min(missing)}")
    parts = ("embeddings.", "encoder.", "pooler.")
    unknown = {name for name in found.keys() - wanted.keys() if name.startswith(parts)} - _BUFFERS
    if unknown:
        raise _unfit(checkpoint, f"has tensors that config.json does not describe, such as {min(unknown)}")
    for name in wanted.keys() & found.keys():
        if found[name].shape != wanted[name].shape:
            shapes = f"{tuple(found[name].shape)}, and config.json says {tuple(wanted[name].shape)}"
            raise _unfit(checkpoint, f"has {name} of the shape {shapes}")
        if not torch.isfinite(found[name]).all():
            raise _unfit(checkpoint, f"has values in {name} that are not numbers")
    bert.load_state_dict({name: found.get(name, wanted[name]) for name in wanted})
    return bert


def _read_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All tensors of a checkpoint, from one safetensors file or from several that an index lists."""
    files = [checkpoint.find("model.safetensors")]
    if files == [None] and (index := checkpoint.find("model.safetensors.index.json")):
        listed = read_json(index, _WHERE).get("weight_map")
        names = sorted(set(listed.values())) if isinstance(listed, dict) else []
        # An index that names ../other/file must not lead anywhere.
        if not names or not all(re.fullmatch(r"\w[\w.-]*\.safetensors", str(name)) for name in names):
            raise _unfit(checkpoint, "are listed by a damaged model.safetensors.index.json")
        files = [checkpoint.find(name) for name in names]
    tensors: dict[str, Tensor] = {}
    for file in files:
        if file is None:
            raise RecipeError(
                f"{checkpoint.reference!r} has no complete weights in the safetensors format; "
                "pickled ones (pytorch_model.bin) can run code when they are read and are never opened",
                where=_WHERE,
                hint=_HOW_TO_CONVERT,
            )
        try:
            tensors |= read_tensors(file.resolve())
        except ArtifactError as error:
            raise _unfit(checkpoint, error.what) from None
    return tensors


def _name_here(name: str) -> str:
    """A tensor's name in BertModel: a model with a head has `bert.` before it, an old one gamma and beta in it."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _unfit(checkpoint: Checkpoint, problem: str) -> RecipeError:
    return RecipeError(
        f"the weights of {checkpoint.reference!r} do not fit or are damaged: the file {problem}",
        where=_WHERE,
        hint="copy or download the checkpoint again, or choose another",
    )


def _with_fast_dropout(model: nn.Module) -> None:
    """Put `Dropout` in the place of each `nn.Dropout` of a model."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
