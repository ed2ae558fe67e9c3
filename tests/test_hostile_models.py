"""Model folders made to do harm: each is refused in one sentence, or loads as what it was; nothing else happens.

Every folder is a copy of a small genuine model with one thing changed, most with a manifest that fits the change: then
only what the loader checks itself stands between the file and the process.
"""

import faulthandler
import hashlib
import importlib.util
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pegboard
import pytest
import torch
from pegboard.console import silent
from safetensors.torch import load_file, save_file

WORKER = Path(__file__).parent / "hostile_worker.py"
MEMORY = 500_000
"""how much more memory than for the genuine model all others together may take, in units of getrusage"""
HUGE = 10**12


def read(folder, name):
    return json.loads((folder / name).read_text())


def write(folder, name, content):
    (folder / name).write_text(json.dumps(content))


def seal(folder):
    """Make the manifest fit the files, as someone who crafts a model would."""
    sums = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name != "manifest.json" and file.is_file() and file.stat().st_size < 2**30
    }
    write(folder, "manifest.json", {"sha256": sums})


class Mutants:
    """Collects changes: name, what to do to the folder, what may come of it, whether the manifest is made to fit.

    `refused` must be an error of ours; `same` must load and predict as before; `either` may do one or the other; and
    `other` may also predict something else, since the change is one that a genuine model could have.
    """

    def __init__(self):
        self.listed = {}

    def add(self, name, change, expected="refused", *, sealed=True):
        assert name not in self.listed
        self.listed[name] = (change, expected, sealed)

    def replace(self, file, path, values, expected="refused"):
        """A value anywhere in a JSON file is another one."""
        for number, value in enumerate(values):
            name = f"{file}: {'.'.join(map(str, path))} = {json.dumps(value)[:30]} ({number})"
            self.add(name, lambda folder, value=value: set_at(folder, file, path, value), expected)

    def content(self, file, name, content, expected="refused"):
        self.add(f"{file}: {name}", lambda folder: (folder / file).write_bytes(content), expected)


def set_at(folder, file, path, value):
    document = read(folder, file)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    write(folder, file, document)


def nested(depth, opening="[", closing="]"):
    return (opening * depth + closing * depth).encode()


def put_folder(path):
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("{}")


def put_pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def put_link(path, target):
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def move_out(folder, name):
    """Leave a link in the folder to the genuine file outside of it."""
    (folder / name).rename(folder.parent / f"{folder.name}-{name}")
    (folder / name).symlink_to(f"../{folder.name}-{name}")


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)


def cut(path, kept):
    path.write_bytes(path.read_bytes()[:kept])


JSON_OF_ANY_KIND = [None, True, -1, HUGE, 10**400, 1e300, "x", "../../x", [], {}, [[]], {"a": {"b": []}}]


def change_files(mutants, files):
    """What can be done to any file: damage, and other things of its name."""
    numbers = random.Random(0)
    for name in files:
        for number in range(3):
            place, bit = numbers.randrange(10**6), numbers.randrange(8)
            mutants.add(f"{name}: flip {number}", lambda f, n=name, p=place, b=bit: flip(f / n, p, b), sealed=False)
        mutants.add(f"{name}: empty", lambda f, n=name: (f / n).write_bytes(b""))
        mutants.add(f"{name}: half", lambda f, n=name: cut(f / n, (f / n).stat().st_size // 2))
        mutants.add(f"{name}: one byte less", lambda f, n=name: cut(f / n, -2), sealed=False)
        mutants.add(f"{name}: missing", lambda f, n=name: (f / n).unlink(), sealed=False)
        mutants.add(f"{name}: missing and unlisted", lambda f, n=name: (f / n).unlink())
        mutants.add(f"{name}: folder", lambda f, n=name: put_folder(f / n), sealed=False)
        mutants.add(f"{name}: pipe", lambda f, n=name: put_pipe(f / n), sealed=False)
        mutants.add(f"{name}: pipe and unlisted", lambda f, n=name: put_pipe(f / n))
        mutants.add(f"{name}: link to itself", lambda f, n=name: put_link(f / n, n), sealed=False)
        mutants.add(f"{name}: link to a device", lambda f, n=name: put_link(f / n, "/dev/zero"), sealed=False)
        mutants.add(f"{name}: link outside", lambda f, n=name: move_out(f, n))
        mutants.add(f"{name}: link outside and unlisted", lambda f, n=name: unlisted_link(f, n))
        mutants.add(f"{name}: unlisted", lambda f, n=name: unlist(f, n), sealed=False)
        mutants.add(f"{name}: without rights", lambda f, n=name: (f / n).write_bytes(os.urandom(64)))


def unlist(folder, name):
    sums = read(folder, "manifest.json")["sha256"]
    del sums[name]
    write(folder, "manifest.json", {"sha256": sums})


def unlisted_link(folder, name):
    move_out(folder, name)
    unlist(folder, name)


def change_manifest(mutants):
    def listing(**more):
        return lambda f: write(f, "manifest.json", {"sha256": {**read(f, "manifest.json")["sha256"], **more}})

    digest = hashlib.sha256(b"secret").hexdigest()
    for name in ("../outside", "/etc/hostname", "a/b", "..", ".", "", "a\\b", "a\0b", "\x1b]0;x\x07", "n" * 5000):
        mutants.add(f"manifest lists {name[:20]!r}", listing(**{name: digest}), sealed=False)
    for number, value in enumerate([None, 5, [], {}, "", "0" * 64, "0" * 10**6, True]):
        mutants.add(f"checksum {number}", listing(**{"config.json": value}), sealed=False)
    mutants.add("manifest lists itself", listing(**{"manifest.json": digest}), sealed=False)
    for name, content in {
        "empty": b"",
        "list": b"[]",
        "deep": nested(100_000),
        "deep objects": b'{"sha256":' * 50_000,
        "huge": b'{"sha256": {"a": "' + b"x" * 2**21 + b'"}}',
        "many": json.dumps({"sha256": {f"f{i}": "0" * 64 for i in range(10_000)}}).encode(),
        "utf-16": '{"sha256": {}}'.encode("utf-16"),
    }.items():
        mutants.add(f"manifest: {name}", lambda f, c=content: (f / "manifest.json").write_bytes(c), sealed=False)
    mutants.add("manifest: pipe", lambda f: put_pipe(f / "manifest.json"), sealed=False)
    mutants.add("manifest: link", lambda f: move_out(f, "manifest.json"), sealed=False)
    mutants.add("manifest: device", lambda f: put_link(f / "manifest.json", "/dev/zero"), sealed=False)
    mutants.add("manifest: folder", lambda f: put_folder(f / "manifest.json"), sealed=False)
    mutants.add("manifest: missing", lambda f: (f / "manifest.json").unlink(), sealed=False)


def change_config(mutants, tokenizer, encoder):
    for path in (["pegboard"], ["id2label"], ["pegboard", "tokenizer"], ["pegboard", "encoder", "options"]):
        values = [v for v in JSON_OF_ANY_KIND if not (path[-1] == "options" and v == {})]
        mutants.replace("config.json", path, values)
    mutants.replace("config.json", ["pegboard", "encoder", "options"], [{}], "either")
    for kind in ("tokenizer", "encoder"):
        for key in ("name", "distribution", "version"):
            mutants.replace("config.json", ["pegboard", kind, key], [None, 7, "os:system", "../x", "x" * 10**6, "a\n"])
        mutants.replace("config.json", ["pegboard", kind, "name"], ["loop", "toy", "no-such"])
    mutants.replace("config.json", ["pegboard", "format"], [None, 0, 2, 10**400, "1"])
    mutants.replace("config.json", ["pegboard", "task"], [None, [], {"dropout": 7}, {"run": "rm"}])
    mutants.replace("config.json", ["pegboard", "vocab"], [None, {}, {"size": HUGE}])
    mutants.replace("config.json", ["pegboard", "vocab", "size"], [0, 5, HUGE])
    for labels in ({"0": "a"}, {"0": "a", "1": "b"}, dict.fromkeys(map(str, range(3)), "a"), {str(HUGE): "a"}):
        mutants.replace("config.json", ["id2label"], [labels])
    for label in ("\x1b[2J", "\x07", "\x9b2J", "\0"):
        mutants.replace("config.json", ["id2label", "0"], [label])
    mutants.replace("config.json", ["id2label", "0"], ["../..", "x" * 10**5], "other")
    for option in ("no-such", "\x1b[2J", "x" * 10**6, "sise" * 10**5, "__class__", ""):
        path = ["pegboard", "encoder", "options", option]
        mutants.add(f"encoder.{option[:20]}, {len(option)} long", lambda f, p=path: set_at(f, "config.json", p, 1))
    many = {str(i): f"l{i}" for i in range(200_000)}
    mutants.replace("config.json", ["id2label"], [many])
    mutants.content("config.json", "deep", nested(100_000))
    mutants.content("config.json", "deep objects", b'{"a":' * 100_000)
    mutants.content("config.json", "large", b'{"a": "' + b"x" * 2**25 + b'"}')
    mutants.add("config.json: deep option", lambda f: set_at(f, "config.json", ["x"], None) or deepen(f))
    mutants.add("config.json: code", lambda f: (f / "config.json").write_text("__import__('os').system('true')"))
    for key, values in encoder.items():
        mutants.replace("config.json", ["pegboard", "encoder", "options", key], values)
    for key, values in tokenizer.items():
        mutants.replace("config.json", ["pegboard", "tokenizer", "options", key], values)


def deepen(folder):
    text = json.dumps(read(folder, "config.json"))
    (folder / "config.json").write_text(
        text.replace('"options": {', '"options": {"a": ' + "[" * 500 + "]" * 500 + ", ")
    )


def rewrite(change):
    """Change the tensors, and write them as safetensors does."""

    def apply(folder):
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return apply


def reheader(change):
    """Change the header alone, whatever the data are."""

    def apply(folder):
        content = (folder / "model.safetensors").read_bytes()
        [length] = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        text = json.dumps(change(header) or header).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return apply


def tensor(name, **changes):
    return reheader(lambda header: header[name].update(changes))


def grow(folder, size):
    """A file that claims to be large, and takes no space."""
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(size)


def claim(length, rest=b"{}"):
    return struct.pack("<Q", length) + rest


def pickled(folder):
    """What torch.save writes, under the name of the weights; it would leave a file behind."""

    class Evil:
        def __reduce__(self):
            return (open, (str(folder.parent / "executed"), "w"))

    torch.save({"head.bias": Evil()}, folder / "model.safetensors")


def change_weights(mutants, name):
    """`name` is a tensor of the encoder."""

    def changed(key, make):
        return rewrite(lambda weights: weights.update({key: make(weights[key])}))

    for key in ("head.bias", name):
        mutants.add(f"{key}: missing", rewrite(lambda weights, key=key: weights.pop(key)))
        mutants.add(f"{key}: renamed", rewrite(lambda w, key=key: w.update({f"{key}_": w.pop(key)})))
        mutants.add(f"{key}: nan", changed(key, lambda t: t * float("nan")))
        mutants.add(f"{key}: infinite", changed(key, lambda t: t + float("inf")))
        mutants.add(f"{key}: overflows", changed(key, lambda t: t.double() + 1e300))
        mutants.add(f"{key}: one row less", changed(key, lambda t: t[1:].clone()))
        mutants.add(f"{key}: one axis more", changed(key, lambda t: t[None].clone()))
        mutants.add(f"{key}: flat", changed(key, lambda t: t.flatten()[:1].clone()))
        for dtype in (torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn, torch.complex64):
            mutants.add(f"{key}: {dtype}", changed(key, lambda t, dtype=dtype: t.to(dtype)))
        mutants.add(f"{key}: as float64", changed(key, lambda t: t.double()), "same")
        mutants.add(f"{key}: zeros", changed(key, torch.zeros_like), "other")
        mutants.add(f"{key}: largest numbers", changed(key, lambda t: torch.full_like(t, 3e38)), "other")
        for number, shape in enumerate(([HUGE], [HUGE] * 4, [2**63], [-1], [1.5], ["3"], [[3]], None, [1] * 100)):
            mutants.add(f"{key}: claims shape {number}", tensor(key, shape=shape))
        for number, place in enumerate(([0, HUGE], [8, 4], [-4, 0], [0], [0, 4, 8], ["0", "4"], None, [0, 2**64])):
            mutants.add(f"{key}: claims place {number}", tensor(key, data_offsets=place))
        for dtype in ("F8", "f32", "", None, 5, "F128", "OBJECT"):
            mutants.add(f"{key}: claims type {dtype}", tensor(key, dtype=dtype))
    mutants.add("head: missing", rewrite(lambda weights: [weights.pop(f"head.{part}") for part in ("weight", "bias")]))
    mutants.add("head: of four labels", rewrite(four_labels))
    mutants.add("tensors: none", rewrite(lambda weights: weights.clear()))
    mutants.add("tensors: one more", rewrite(lambda weights: weights.update(extra=torch.zeros(2))))
    mutants.add("tensors: empty name", rewrite(lambda weights: weights.update({"": torch.zeros(2)})))
    mutants.add("tensors: odd name", rewrite(lambda w: w.update({"\x1b[2J" + "../" * 20_000: torch.zeros(2)})))
    mutants.add("tensors: 20,000 more", rewrite(lambda w: w.update({f"t{i}": torch.zeros(1) for i in range(20_000)})))
    mutants.add("header: all at the same place", reheader(overlapping))
    mutants.add(
        "header: a gap", reheader(lambda h: h[name].update(data_offsets=[o + 4 for o in h[name]["data_offsets"]]))
    )
    mutants.add("header: list", reheader(lambda header: [header]))
    mutants.add("header: metadata alone", reheader(lambda header: {"__metadata__": {}}))
    mutants.add("header: odd metadata", reheader(lambda h: h.update(__metadata__={"a": "b" * 1000})), "same")
    mutants.add("header: extra key", tensor(name, more=1))
    mutants.add("header: deep", reheader(lambda header: header.update(a=json.loads(nested(500)))))
    for number, length in enumerate((0, 1, 3, 100, 10**8, 2**32, 2**62, 2**64 - 1)):
        mutants.content("model.safetensors", f"claims a header of {length}", claim(length), "refused")
        assert number < 10
    mutants.content("model.safetensors", "100 MB of header", claim(10**8, b'{"a":[' + b"[]," * (10**8 // 3)))
    mutants.content("model.safetensors", "17 MB of spaces", claim(17 * 2**20, b"{}" + b" " * 17 * 2**20))
    mutants.content("model.safetensors", "brackets", claim(10**6, nested(500_000)))
    mutants.content("model.safetensors", "zip", b"PK\x03\x04" + bytes(100))
    mutants.content("model.safetensors", "code", b"import os; os.system('true')")
    mutants.add("model.safetensors: of a terabyte", lambda f: grow(f, 2**40), sealed=False)
    mutants.add("model.safetensors: of 256 MB", lambda f: grow(f, 2**28))
    mutants.add("model.safetensors: pickle", pickled)
    mutants.add("pickle beside", lambda f: pickled_beside(f, "pytorch_model.bin"), "same")
    for other in ("pytorch_model.bin", "model.pt", "model.pkl"):
        mutants.add(f"{other} in its place", lambda f, other=other: (f / "model.safetensors").rename(f / other))


def pickled_beside(folder, name):
    genuine = (folder / "model.safetensors").read_bytes()
    pickled(folder)
    (folder / "model.safetensors").rename(folder / name)
    (folder / "model.safetensors").write_bytes(genuine)


def four_labels(weights):
    for part in ("weight", "bias"):
        tensor = weights[f"head.{part}"]
        weights[f"head.{part}"] = torch.cat([tensor, tensor[:1]])


def overlapping(header):
    for entry in header.values():
        if "data_offsets" in entry:
            first, last = entry["data_offsets"]
            entry["data_offsets"] = [0, last - first]


def change_company(mutants):
    """Other things in the folder, beside the genuine files."""

    def put(name, content=b"{}"):
        return lambda f: (f / name).write_bytes(content)

    mutants.add("beside: a card", put("README.md"), "same", sealed=False)
    mutants.add("beside: unlisted JSON", put("special_tokens_map.json"), sealed=False)
    mutants.add("beside: an index", put("model.safetensors.index.json", b'{"weight_map": {"a": "../../x"}}'), "same")
    mutants.add("beside: an unlisted index", put("model.safetensors.index.json"), sealed=False)
    mutants.add("beside: a pipe", lambda f: put_pipe(f / "vocab.txt"))
    mutants.add("beside: a link", lambda f: put_link(f / "vocab.txt", "/etc/hostname"))
    mutants.add("beside: a link to a folder", lambda f: put_link(f / "more", "/"))
    mutants.add("beside: .git", lambda f: (f / ".git").mkdir(), "same", sealed=False)
    code = b"raise SystemExit('executed')"
    for name in ("pegboard.py", "torch.py", "sitecustomize.py", "modeling.py", "__init__.py", "conftest.py"):
        mutants.add(f"beside: {name}", put(name, code), "same")
    project = b'[tool.pegboard]\nplugins = ["modeling.py"]\n'
    mutants.add("beside: a project", lambda f: (put("pyproject.toml", project)(f), put("modeling.py", code)(f)), "same")
    auto = {"auto_map": {"AutoModel": "modeling.Model"}, "trust_remote_code": True, "_attn_implementation": "a/b"}
    for key, value in auto.items():
        mutants.replace("config.json", [key], [value], "same")


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def change_vocab_json(mutants):
    """The vocabulary of the toy tokenizer, a list of pieces."""
    lists = [[], PIECES, PIECES[1:], [*PIECES, 5], [*PIECES, "a", "a"], [*PIECES, ""], [*PIECES, ["a"]], {"a": 1}, 5]
    for number, pieces in enumerate([*lists, [*PIECES, "a"], [*PIECES, *map(str, range(300_000))]]):
        mutants.add(f"vocab.json: {number}", lambda f, pieces=pieces: write(f, "vocab.json", pieces))
    mutants.content("vocab.json", "deep", nested(200_000))
    mutants.content("vocab.json", "surrogate", b'["[PAD]", "\\ud800"]')
    mutants.content("vocab.json", "no UTF-8", b'["\xff"]')
    mutants.content("vocab.json", "many lists", b"[" + b"[]," * 9_000_000 + b"[]]")
    mutants.content("vocab.json", "digits", b"[" + b"9" * 10**6 + b"]")
    mutants.add("vocab.json: of 200 MB", lambda f: (f / "vocab.json").write_bytes(b" " * 200 * 2**20))
    mutants.add("vocab.json: other order", lambda f: write(f, "vocab.json", swapped(read(f, "vocab.json"))), "other")


def swapped(pieces):
    return [*pieces[:5], *reversed(pieces[5:])]


def change_tokenizer_json(mutants, expected_of_model="refused"):
    """The library's file: components that hang, abort or panic, and settings that are not the tokenizer's own."""
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    empty = {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 1000}
    slow = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
    template = {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
    lost = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    fixed = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    cutting = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 9}
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    parts = {
        "normalizer": [
            {"type": "Sequence", "normalizers": [replace] * 26},
            {"type": "Sequence", "normalizers": [empty] * 5},
            {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
            {"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="},
            {"type": "Prepend", "prepend": "x" * 10**6},
            {"type": "Evil", "code": "import os"},
            json.loads(nested(150, '{"type": "Sequence", "normalizers": [', "]}")),
        ],
        "pre_tokenizer": [slow, {"type": "FixedLength", "length": 0}, {"type": "Evil"}, 5],
        "post_processor": [
            template,
            {**template, "single": [lost]},
            {"type": "BertProcessing", "sep": ["x", 10**9], "cls": ["y", 10**9]},
        ],
        "decoder": [{"type": "Evil"}, {"type": "Sequence", "decoders": [replace] * 26}],
        "added_tokens": [
            [{"id": 4 * 10**9, "content": "x", **token}],
            [{"id": 0, "content": "", **token}],
            [{"id": -1, "content": "x", **token}],
            {"a": 1},
        ],
    }
    for part, values in parts.items():
        mutants.replace("tokenizer.json", [part], values)
    settings = {
        "padding": [{**fixed, "strategy": {"Fixed": 2 * 10**9}}, {**fixed, "strategy": "BatchLongest"}],
        "truncation": [cutting, {**cutting, "max_length": HUGE, "stride": 0}],
    }
    for part, values in settings.items():
        mutants.replace("tokenizer.json", [part], values, "refused" if expected_of_model == "refused" else "either")
    models = [
        None,
        {},
        {"type": "Evil"},
        {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]},
        {"type": "BPE", "vocab": {"a": 4 * 10**9}, "merges": []},
        {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0}, "merges": []},
        {"type": "Unigram", "unk_id": 9, "vocab": [["a", 0.0]]},
        {"type": "Unigram", "unk_id": None, "vocab": []},
        {"type": "WordPiece", "unk_token": "no", "continuing_subword_prefix": "", "vocab": {}},
        {"type": "WordLevel", "vocab": {"a": HUGE}, "unk_token": "a"},
    ]
    mutants.replace("tokenizer.json", ["model"], models)
    mutants.content("tokenizer.json", "deep", nested(200_000))
    mutants.content("tokenizer.json", "many lists", b'{"model": [' + b"[]," * 9_000_000 + b"[]]}")
    mutants.content("tokenizer.json", "of 200 MB", b" " * 200 * 2**20)
    mutants.content("tokenizer.json", "null", b"null")


def swap_with(mutants, other, names):
    """Files of another model of the same kind, manifest and all."""
    for name in names:
        mutants.add(f"{name}: of another model", lambda f, name=name: shutil.copy(other / name, f / name))
        mutants.add(
            f"{name}: of another model, manifest as before",
            lambda f, name=name: shutil.copy(other / name, f / name),
            sealed=False,
        )


def trained(folder, toy, **choices):
    options = {"dataset": "toy", "trainer": "loop", "trainer_epochs": 1, "plugins": [toy], "console": silent, **choices}
    return pegboard.train(out=folder / "run", **options).model_folder


def needs(*packages):
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def toy_mutants(folder, toy):
    genuine = trained(folder / "a", toy, tokenizer="space", encoder="mean", encoder_size=4)
    other = trained(
        folder / "b", toy, tokenizer="space", encoder="mean", encoder_size=4, dataset_rows=60, tokenizer_max_length=99
    )
    mutants = Mutants()
    change_files(mutants, ["config.json", "model.safetensors", "vocab.json"])
    change_manifest(mutants)
    sizes = [0, -1, 5, 10**5, 10**7, 10**9, HUGE, 10**30, "4", None, [4], 4.5]
    change_config(mutants, {"max_length": [-1, 10**30, "x"], "lowercase": [0, "no"]}, {"size": sizes})
    change_weights(mutants, "encoder.embedding.weight")
    change_vocab_json(mutants)
    change_company(mutants)
    swap_with(mutants, other, ["config.json", "model.safetensors", "vocab.json"])
    return genuine, mutants


def library_mutants(folder, toy):
    needs("pegboard_rnn", "pegboard_word")
    small = {"encoder_embedding_size": 4, "encoder_hidden_size": 4}
    genuine = trained(folder / "a", toy, tokenizer="word", encoder="rnn", tokenizer_min_frequency=1, **small)
    other = trained(
        folder / "b", toy, tokenizer="word", encoder="rnn", tokenizer_min_frequency=1, dataset_rows=60, **small
    )
    mutants = Mutants()
    change_tokenizer_json(mutants)
    for key in ("hidden_size", "layers", "channels", "embedding_size", "kernel_size"):
        unused = key in ("channels", "kernel_size")
        path = ["pegboard", "encoder", "options", key]
        mutants.replace("config.json", path, [0, 10**5, 10**9, HUGE, 10**30], "either" if unused else "refused")
    mutants.add(
        "encoder.downsample = 10**9", lambda f: set_options(f, "encoder", downsample=10**9, kernel_size=10**9 + 1)
    )
    mutants.add("encoder.cell = lstm", lambda f: set_options(f, "encoder", cell="lstm"))
    mutants.add("encoder.layers = 2", lambda f: set_options(f, "encoder", layers=2))
    mutants.add("encoder.bidirectional = false", lambda f: set_options(f, "encoder", bidirectional=False))
    mutants.add("tokenizer is another", lambda f: set_at(f, "config.json", ["pegboard", "tokenizer", "name"], "char"))
    swap_with(mutants, other, ["config.json", "model.safetensors", "tokenizer.json"])
    return genuine, mutants


def set_options(folder, kind, **options):
    for key, value in options.items():
        set_at(folder, "config.json", ["pegboard", kind, "options", key], value)


def bert_mutants(folder, toy):
    needs("pegboard_bert", "pegboard_wordpiece")
    (folder / "c").mkdir()
    tokenizer = pegboard.build_tokenizer("wordpiece", vocab_size=200, min_frequency=1)
    tokenizer.train(["glad day number 3", "tired mad rainy happy"])
    tokenizer.save(folder / "c")
    sizes = {"hidden_size": 8, "layers": 1, "heads": 1, "intermediate_size": 8, "max_positions": 64}
    genuine = trained(
        folder / "a",
        toy,
        tokenizer="pretrained",
        tokenizer_pretrained=str(folder / "c" / "tokenizer.json"),
        tokenizer_max_length=32,
        encoder="bert",
        **{f"encoder_{name}": size for name, size in sizes.items()},
    )
    mutants = Mutants()
    change_tokenizer_json(mutants, "either")
    entries = {
        "vocab_size": [0, 5, 10**9, HUGE, "9", None],
        "hidden_size": [0, 7, 10**6, HUGE, "8", None, []],
        "num_hidden_layers": [0, 2, 10**9, HUGE, "1", None],
        "num_attention_heads": [0, 3, HUGE, "1"],
        "intermediate_size": [0, 10**9, HUGE],
        "max_position_embeddings": [0, 5, HUGE],
        "type_vocab_size": [0, 1, HUGE],
        "pad_token_id": [-1000, HUGE, "x"],
        "hidden_act": ["no-such", "__import__", 5, None, []],
        "model_type": ["gpt2", None, 5],
        "layer_norm_eps": ["x", None],
        "position_embedding_type": ["relative_key", 5],
        "is_decoder": [True],
    }
    for key, values in entries.items():
        mutants.replace("config.json", [key], values)
    harmless = {
        "_attn_implementation": ["kernels-community/flash-attn", 5],
        "attn_implementation": ["kernels-community/flash-attn"],
        "auto_map": [{"AutoModel": "evil/repository--modeling.Evil"}],
        "quantization_config": [{"quant_method": "bitsandbytes"}],
        "architectures": [["os.system"]],
        "chunk_size_feed_forward": [HUGE],
        "dtype": ["float64"],
        "gradient_checkpointing": [True],
        "use_kernels": [True],
    }
    for key, values in harmless.items():
        mutants.replace("config.json", [key], values, "same")
    checkpoint = ["/etc", "../..", "evil/repository", "package:os"]
    mutants.replace("config.json", ["pegboard", "tokenizer", "options", "pretrained"], checkpoint, "same")
    mutants.add("fewer embeddings than tokens", fewer_embeddings)
    mutants.add("numbers too large to go on with", rewrite(lambda weights: [t.fill_(3e38) for t in weights.values()]))
    mutants.add("encoder from elsewhere", elsewhere, "same")
    return genuine, mutants


def fewer_embeddings(folder):
    name = "bert.embeddings.word_embeddings.weight"
    rewrite(lambda weights: weights.update({name: weights[name][:-1].clone()}))(folder)
    set_at(folder, "config.json", ["vocab_size"], read(folder, "config.json")["vocab_size"] - 1)
    set_at(folder, "config.json", ["pad_token_id"], 0)


def elsewhere(folder):
    """The options name a checkpoint: a saved model has what it needs, and must not go to look for it."""
    set_at(folder, "config.json", ["pegboard", "encoder", "options"], {"pretrained": "../../c"})


def load_all(genuine, toy, folders):
    """Load folders in a process of their own, and in another after one that ended it."""
    results, left = {}, [str(folder) for folder in folders]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    while left:
        command = [sys.executable, str(WORKER), toy, str(genuine), *left]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        results |= {line["folder"]: line for line in lines}
        left = [folder for folder in left if folder not in results]
        if left:
            hung = done.stderr[-1500:]
            results[left[0]] = {
                "outcome": f"the process ended with {done.returncode}: {hung}",
                "found": [],
                "seconds": 0,
            }
            left = left[1:]
    return results


def problem_of(result, expected, before, start):
    """What is wrong with how a mutant was handled, if anything."""
    outcome, path = result["outcome"], result.get("folder")
    if result["found"]:
        return f"it was seen to {result['found'][:3]}"
    if outcome == "loaded":
        if expected == "refused":
            return "it was loaded"
        if expected != "other" and result["probabilities"] != before["probabilities"]:
            return "it predicts something else"
    elif outcome not in ("ArtifactError", "ComponentError"):
        return f"{outcome}: {result.get('message')}"
    elif expected == "same":
        return f"it was refused: {result['message']}"
    elif result["status"] not in (2, 3) or not result["err"].startswith("error: "):
        return f"the command line left with {result['status']}: {result['err']}"
    elif "Traceback" in result["err"] or len(result["err"].replace(path, "")) > 1500 or not printable(result["err"]):
        return f"the command line said {result['err']!r}"
    if result["seconds"] > 10:
        return f"it took {result['seconds']:.1f} s"
    if result["memory"] > start + MEMORY:
        return f"it took {result['memory'] - start} of memory"
    return None


def printable(text):
    return all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the worker measures as POSIX systems do")
@pytest.mark.parametrize(("make", "least"), [(toy_mutants, 200), (library_mutants, 60), (bert_mutants, 70)])
def test_nothing_but_data(make, least, toy, tmp_path):
    genuine, mutants = make(tmp_path, toy)
    assert len(mutants.listed) >= least
    names = {}
    for number, (name, (change, _, sealed)) in enumerate(mutants.listed.items()):
        folder = tmp_path / "mutants" / str(number) / "model"
        shutil.copytree(genuine, folder)
        change(folder)
        if sealed:
            seal(folder)
        names[str(folder)] = name
    results = load_all(genuine, toy, names)
    before = results.pop(str(genuine))
    assert before["outcome"] == "loaded"
    assert not before["found"]
    start = before["memory"]
    problems = {
        names[folder]: problem
        for folder, result in results.items()
        if (problem := problem_of(result, mutants.listed[names[folder]][1], before, start))
    }
    counted = Counter(result["outcome"] for result in results.values())
    assert not problems, "\n".join([f"{len(problems)} of {len(names)}, {counted}", *map(str, problems.items())])
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.parametrize("name", ["char", "word", "wordpiece", "bpe", "unigram"])
def test_every_tokenizer_refuses_a_hostile_file(name, tmp_path):
    """What is above for whole models, for the file alone: all that is taken from it is a vocabulary."""
    needs("pegboard_subword" if name in ("bpe", "unigram") else f"pegboard_{name}")
    tokenizer = pegboard.build_tokenizer(name, min_frequency=1, vocab_size=400)
    tokenizer.train(["glad day number 3", "tired mad rainy happy"])
    mutants = Mutants()
    change_tokenizer_json(mutants)
    for label, (change, _, _) in mutants.listed.items():
        tokenizer.save(tmp_path)
        type(tokenizer).load(tmp_path, tokenizer.options)
        change(tmp_path)
        faulthandler.dump_traceback_later(10, exit=True)
        with pytest.raises(pegboard.ArtifactError):
            pytest.fail(f"{label}: {type(tokenizer).load(tmp_path, tokenizer.options)}")
        faulthandler.cancel_dump_traceback_later()
