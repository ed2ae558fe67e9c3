"""The kit itself: what it says, how it is called, and that the examples of the documentation pass it."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pegboard.errors import ComponentError, UsageError
from pegboard.testing import (
    Conformance,
    DatasetConformance,
    EncoderConformance,
    TokenizerConformance,
    TrainerConformance,
    check_component,
)
from pegboard.testing.conformance import NotApplicable, assert_only_data, properties_of

HERE = Path(__file__).parent
TOYS = {"tokenizer": "space", "encoder": "mean", "dataset": "toy", "trainer": "loop"}
KINDS = {
    "tokenizer": TokenizerConformance,
    "encoder": EncoderConformance,
    "dataset": DatasetConformance,
    "trainer": TrainerConformance,
}
BROKEN = str(HERE / "mutants" / "broken_tokenizers.py")
WORDS = """
class TestSpace(TokenizerConformance):
    component = "space"
    plugins = [{toy!r}]


class TestCutsOneTooLate(TokenizerConformance):
    component = "cuts-one-too-late"
    plugins = [{broken!r}]
"""


@pytest.fixture(autouse=True)
def _few_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.parametrize("kind", TOYS)
def test_the_toys_pass(kind, toy):
    verdicts = list(check_component(kind, TOYS[kind], plugins=[toy]))
    assert [f"{v.property}: {v.problem}" for v in verdicts if v.outcome == "fail"] == []
    assert all(v.problem for v in verdicts if v.outcome == "not applicable")


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_says_what_and_why(kind):
    for name, method in properties_of(KINDS[kind]).items():
        statement, _, why = (inspect.getdoc(method) or "").partition("\n\n")
        assert re.fullmatch(r"[A-Z`].*\.", statement), f"{name} has no statement of one line: {statement!r}"
        assert re.fullmatch(r"[A-Z`\"].*\.", why.replace("\n", " ")), f"{name} does not say why: {why!r}"


def test_a_verdict_tells_all(toy):
    [verdict] = check_component("tokenizer", "cuts-one-too-late", plugins=[BROKEN], properties=["truncation_is_exact"])
    assert verdict.property == "truncation_is_exact"
    assert verdict.outcome == "fail"
    assert verdict.problem == "max_length=8 gave 9 ids"
    assert verdict.statement.startswith("With `max_length` n a long text keeps exactly n ids")
    assert verdict.why.startswith("One too many is an error deep in the encoder")


def test_options_reach_the_component(toy):
    options = {"vocab_size": 150}
    [verdict] = check_component(
        "tokenizer", "space", options=options, plugins=[toy], properties=["unknown_only_for_the_unknown"]
    )
    assert verdict.outcome == "fail"
    assert "[UNK] in a training text" in verdict.problem


def test_wrong_options_are_the_verdict_not_a_crash(toy):
    [verdict] = check_component(
        "tokenizer", "space", options={"vocab_sice": 150}, plugins=[toy], properties=["it_is_a_tokenizer"]
    )
    assert verdict.outcome == "fail"
    assert "did you mean vocab_size?" in verdict.problem


def test_a_component_that_is_not_there_is_said_by_every_property():
    verdicts = list(check_component("tokenizer", "no-such-tokenizer", properties=["it_is_found_by_name"]))
    assert [v.outcome for v in verdicts] == ["fail"]
    assert "no-such-tokenizer" in verdicts[0].problem


def test_an_unknown_property_is_refused(toy):
    with pytest.raises(UsageError, match=r"no property 'truncation_exact'\n.*did you mean truncation_is_exact"):
        list(check_component("tokenizer", "space", plugins=[toy], properties=["truncation_exact"]))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("state.bin", b"", "no data format"),
        ("model.pkl", b"", "no data format"),
        ("a.json", b"\x80\x04}\x94.", "is a pickle"),
        ("a.txt", b"(dp0\nVa\np1\nI5\ns.", "is a pickle"),
        ("a.safetensors", b"PK\x03\x04rest", "zip archive"),
    ],
)
def test_what_executes_is_no_data(tmp_path, name, content, problem):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / name).write_bytes(content)
    with pytest.raises(AssertionError, match=problem):
        assert_only_data(tmp_path)


@pytest.mark.parametrize("content", [b"{}\n", b"", b".", b"a b c\n", b'["[PAD]", "."]\n', b"PK"])
def test_data_are_data(tmp_path, content):
    (tmp_path / "vocab.json").write_bytes(content)
    assert_only_data(tmp_path)


def test_check_prints_a_readable_verdict(cli, toy):
    code, out, err = cli("plugins", "check", "space", "--plugin", toy)
    lines = out.splitlines()
    assert code == 0
    assert re.fullmatch(r"tokenizer toy_plugin\.py:space \w{12}", lines[0])
    assert "  ✓ A text has the same ids alone and in a batch." in lines
    assert "  - Importing the plugin's entry-point module imports no heavy library. (a one-file plugin" in out
    assert re.search(r"(\d+) of \1 properties hold", err)


def test_check_exits_with_1_and_says_why(cli):
    chosen = ("--property", "truncation_is_exact", "--property", "order_is_kept")
    code, out, err = cli("plugins", "check", "cuts-one-too-late", "--plugin", BROKEN, *chosen)
    assert code == 1
    assert "  ✓ Rows come in the order of the texts.\n" in out
    assert "      max_length=8 gave 9 ids\n      why it matters: One too many is an error" in out
    assert "1 of 2 properties hold" in err


def test_check_as_json(cli):
    chosen = ("--property", "truncation_is_exact", "--property", "order_is_kept")
    code, out, _ = cli("plugins", "check", "cuts-one-too-late", "--plugin", BROKEN, "--json", *chosen)
    assert code == 1
    results = {result["property"]: result for result in json.loads(out)}
    assert set(results) == {"truncation_is_exact", "order_is_kept"}
    assert results["order_is_kept"]["outcome"] == "pass"
    assert results["truncation_is_exact"] == {
        "kind": "tokenizer",
        "component": "cuts-one-too-late",
        "property": "truncation_is_exact",
        "statement": results["truncation_is_exact"]["statement"],
        "why": results["truncation_is_exact"]["why"],
        "outcome": "fail",
        "problem": "max_length=8 gave 9 ids",
    }


def test_check_takes_options(cli, toy):
    arguments = ("plugins", "check", "space", "--plugin", toy, "--property", "unknown_only_for_the_unknown")
    assert cli(*arguments).code == 0
    assert cli(*arguments, "--set", "tokenizer.vocab_size=150").code == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("no-such-thing",), 3, "no-such-thing"),
        (("space", "--property", "no_such_property"), 2, "has no property 'no_such_property'"),
        (("space", "--set", "tokenizer=3"), 2, "KIND.KEY=VALUE"),
        (("space", "--set", "encoder.size=3"), 2, "--set encoder.…: what is checked is no encoder"),
        (("space", "--set", "tokenizer.vocab_sise=3"), 2, "did you mean vocab_size?"),
        (("space", "--vocabulary", "30"), 2, "--vocabulary: space has no encoder"),
    ],
)
def test_check_refuses(cli, toy, arguments, status, message):
    code, out, err = cli("plugins", "check", *arguments, "--plugin", toy)
    assert code == status
    assert message in err
    assert "✓" not in out


def test_check_takes_the_vocabulary_of_a_checkpoint(cli):
    chosen = ("--plugin", str(Path(BROKEN).with_name("broken_encoders.py")), "--property", "every_id_is_accepted")
    done = cli("plugins", "check", "embedding-too-small", "--vocabulary", "70", *chosen)
    assert done.code == 1
    assert "ids 0, 1 and 69 of 70" in done.out


def test_check_tells_a_problem_once(cli, temporary_plugin):
    source = """
        import pegboard
        class Never(pegboard.PieceTokenizer):
            def split(self, text):
                raise ValueError("never")
        @pegboard.hookimpl
        def pegboard_tokenizers():
            yield pegboard.ComponentSpec(name="never", factory=f"{__name__}:Never", summary="fails")
    """
    chosen = [
        f"--property={name}" for name in ("order_is_kept", "repeated_texts_are_equal", "same_seed_gives_the_same_bytes")
    ]
    done = cli("plugins", "check", "never", "--plugin", temporary_plugin(source).file, *chosen)
    assert done.code == 1
    assert done.out.count("ValueError: never") == 1
    assert done.out.count("the same problem") == 2
    assert done.out.count("why it matters") == 3


def test_an_unknown_setting_is_refused():
    with pytest.raises(UsageError, match="has no setting 'vocabulry'"):
        next(check_component("encoder", "rnn", vocabulry=3))


def test_check_needs_no_pytest(toy):
    """Users who install Pegboard without the extra `testing` can check what they install."""
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None\n"
        "from pegboard.cli.main import main; main(sys.argv[1:])"
    )
    chosen = [
        f"--property={name}" for name in ("order_is_kept", "decode_gives_the_text_back", "works_in_a_fresh_process")
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, "plugins", "check", "space", "--plugin", toy, *chosen],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 2
    assert "(it does not declare `lossless`)" in done.stdout


def test_pytest_collects_a_subclass_of_three_lines(tmp_path, toy):
    """Each property is a test; one that does not apply is skipped with its reason; none runs for the bases."""
    file = tmp_path / "test_mine.py"
    file.write_text("from pegboard.testing import TokenizerConformance\n" + WORDS.format(toy=toy, broken=BROKEN))
    chosen = "order_is_kept or truncation_is_exact or decode_gives_the_text_back"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--tb=short", "-k", chosen, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "1 failed, 4 passed, 1 skipped" in done.stdout
    assert "it does not declare `lossless`" in done.stdout
    assert "TestCutsOneTooLate.test_truncation_is_exact" in done.stdout
    assert "AssertionError: max_length=8 gave 9 ids" in done.stdout


def test_a_heavy_entry_point_is_caught(site, component, monkeypatch):
    """A distribution, since a one-file plugin may import what it needs."""
    fields = {"factory": "pegboard:PieceTokenizer", "options": "pegboard:TokenizerOptions"}
    site.add("pegboard-light", component("tokenizer", "light", **fields))
    site.add("pegboard-leaden", component("tokenizer", "leaden", more="import sklearn", **fields))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr("pegboard.testing.conformance._registry", _fresh_registry)
    outcomes = {}
    for name in ("light", "leaden"):
        [outcomes[name]] = check_component("tokenizer", name, properties=["import_is_light"])
    assert outcomes["light"].outcome == "pass", outcomes["light"].problem
    assert outcomes["leaden"].outcome == "fail"
    assert "sklearn" in outcomes["leaden"].problem


def _fresh_registry(plugins):
    from pegboard.plugins.registry import Registry

    return Registry(plugins)


def test_a_base_can_be_extended(toy):
    """Authors add what only their component promises; an override of the kit's own replaces it."""

    class Mine(TokenizerConformance):
        component = "space"
        plugins = (toy,)

        def test_it_lowers(self):
            assert self.tokenizer.tokens("THE") == ["the"]

        def test_order_is_kept(self):
            raise NotApplicable("for a reason")

    Mine().test_it_lowers()
    assert set(properties_of(Mine)) == {*properties_of(TokenizerConformance), "it_lowers"}
    assert issubclass(Mine, Conformance)


def test_what_the_class_finds_is_missing_or_ambiguous_is_an_error():
    class Missing(TokenizerConformance):
        component = "no-such-tokenizer"

    with pytest.raises(ComponentError):
        Missing().test_it_is_found_by_name()


def examples():
    """The one-file plugins of the how-to page, by file name."""
    page = (HERE.parent / "docs/how-to/write-a-plugin.md").read_text(encoding="utf-8")
    return dict(re.findall(r'```python title="(\w+\.py)"\n(.*?)```', page, re.DOTALL))


@pytest.mark.parametrize(
    ("kind", "name"), [("tokenizer", "ngrams"), ("encoder", "bag"), ("dataset", "parity"), ("trainer", "plain")]
)
def test_the_examples_of_the_documentation_pass(tmp_path, kind, name):
    file = tmp_path / f"{name}.py"
    file.write_text(examples()[file.name], encoding="utf-8")
    verdicts = list(check_component(kind, name, plugins=[str(file)]))
    assert len(verdicts) > 20
    assert [f"{v.property}: {v.problem}" for v in verdicts if v.outcome == "fail"] == []
