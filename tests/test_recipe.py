"""A recipe is read, checked and completed; what it becomes is a recipe again."""

import json
from pathlib import Path

import pytest
from pegboard.errors import ComponentError, PegboardWarning, RecipeError
from pegboard.plugins.registry import Registry
from pegboard.recipe import document_of, resolve, resolve_dataset, set_value
from pegboard.schema import recipe_schema
from pegboard.specs import KINDS, ComponentSpec, SameAs
from pegboard.toml import parse_toml, parse_value, read_toml, write_toml

BARE = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer": "loop"}


@pytest.fixture
def board(toy):
    """The toy components and no others."""
    return Registry([toy], path=[])


@pytest.fixture
def document():
    """`document(FILE, "key.path=value", …)`: as the command line makes one."""

    def make(file=None, *settings, seed=None, plugins=(), **choices):
        return document_of(file, choices=choices, settings=settings, seed=seed, plugins=plugins)

    return make


@pytest.fixture
def resolved(board):
    """`resolved("key.path=value", …)`: the toy recipe with settings."""

    def make(*settings, **choices):
        return resolve(document_of(None, choices={**BARE, **choices}, settings=settings), board)

    return make


def wrong(call, *arguments, error=RecipeError, **more):
    with pytest.raises(error) as caught:
        call(*arguments, **more)
    return caught.value


class TestReading:
    def test_a_file_and_the_command_line_make_one_document(self, tmp_path, document):
        file = tmp_path / "recipe.toml"
        file.write_text('seed = 3\ntokenizer = "space"\n[encoder]\nname = "mean"\nsize = 8\n[task]\ndropout = 0.2\n')
        made = document(file, "encoder.size=4", "tokenizer.max_length=9", trainer="loop", seed=5)
        assert made == {
            "seed": 5,
            "tokenizer": {"name": "space", "max_length": 9},
            "encoder": {"name": "mean", "size": 4},
            "trainer": {"name": "loop"},
            "task": {"dropout": 0.2},
            "plugins": [],
        }

    def test_another_component_takes_the_place_of_the_whole_table(self, tmp_path, document):
        file = tmp_path / "recipe.toml"
        file.write_text('[encoder]\nname = "mean"\nsize = 8\n')
        assert document(file, encoder="other")["encoder"] == {"name": "other"}
        assert document(file, encoder="mean")["encoder"] == {"name": "mean", "size": 8}

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"seed = \n", "is not valid TOML: Invalid value (at line 1, column 8)"),
            (b"seed = 1\n[encoder\n", "is not valid TOML: Expected ']' at the end of a table declaration (at line 2"),
            (b"seed = 1\nseed = 2\n", "is not valid TOML: Cannot overwrite a value (at line 2"),
            (b'seed = "\xff"\n', "is not UTF-8 text"),
            (b"x = " + b"[" * 50_000, "is not valid TOML"),
        ],
    )
    def test_a_file_that_cant_be_read_is_named_with_the_line(self, tmp_path, document, content, what):
        file = tmp_path / "recipe.toml"
        file.write_bytes(content)
        error = wrong(document, file)
        assert error.where == str(file)
        assert what in error.what

    def test_a_file_that_is_not_there(self, tmp_path, document):
        assert wrong(document, tmp_path / "no.toml").what == "can't be read: No such file or directory"

    def test_a_byte_order_mark_is_no_content(self, tmp_path, document):
        (tmp_path / "recipe.toml").write_bytes(b"\xef\xbb\xbfseed = 4\n")
        assert document(tmp_path / "recipe.toml")["seed"] == 4

    def test_something_else_in_the_place_of_a_recipe_gets_a_hint(self, tmp_path, document):
        (tmp_path / "data.csv").write_text("text,label\na,b\n")
        assert wrong(document, tmp_path / "data.csv").hint == f"if it holds data: --dataset {tmp_path / 'data.csv'}"
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "recipe.toml").touch()
        assert wrong(document, tmp_path / "run").hint == f"its recipe is {tmp_path / 'run' / 'recipe.toml'}"

    def test_plugins_of_a_file_are_relative_to_it_and_those_given_to_the_working_folder(
        self, tmp_path, document, monkeypatch
    ):
        (tmp_path / "inner").mkdir()
        file = tmp_path / "inner" / "recipe.toml"
        file.write_text('plugins = ["mine.py", "../other.py", "/abs/third.py"]\n')
        monkeypatch.chdir(tmp_path)
        made = document(Path("inner/recipe.toml"), plugins=["mine.py", "inner/mine.py"])
        assert [str(Path(name).resolve()) for name in made["plugins"]] == [
            str(tmp_path / "inner" / "mine.py"),
            str(tmp_path / "other.py"),
            "/abs/third.py",
            str(tmp_path / "mine.py"),
        ]
        assert all(Path(name).is_absolute() for name in made["plugins"])

    @pytest.mark.parametrize("value", ['"mine.py"', "[1]", "{a = 1}", "true"])
    def test_plugins_must_be_a_list_of_files(self, tmp_path, document, value):
        file = tmp_path / "recipe.toml"
        file.write_text(f"plugins = {value}\n")
        assert "must be a list of files" in wrong(document, file).what
        assert wrong(document, None, f"plugins={value}").where == "plugins"


class TestSetting:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("8000", 8000),
            ("-1", -1),
            ("1e-3", 0.001),
            ("true", True),
            ("[1, 2]", [1, 2]),
            ("{a = 1}", {"a": 1}),
            ('"8000"', "8000"),
            ("gru", "gru"),
            ("True", "True"),
            ("", ""),
            ("a=b", "a=b"),
            ("2024-02-29", "2024-02-29"),
            ("12:30:00", "12:30:00"),
            ("1\nother = 2", "1\nother = 2"),
            ("[1, 2", "[1, 2"),
            ("[" * 5000, "[" * 5000),
            ("C:\\data\\new.csv", "C:\\data\\new.csv"),
            ("8000 # comment", 8000),
        ],
    )
    def test_a_value_is_toml_or_else_text(self, text, value):
        assert parse_value(text) == value
        assert type(parse_value(text)) is type(value)

    def test_it_goes_where_its_path_leads(self):
        document = {"tokenizer": "space"}
        for setting in ("seed=3", "tokenizer.max_length = 7", " encoder . a . b=1", "trainer=loop", "trainer.epochs=2"):
            set_value(document, setting)
        assert document == {
            "seed": 3,
            "tokenizer": {"name": "space", "max_length": 7},
            "encoder": {"a": {"b": 1}},
            "trainer": {"name": "loop", "epochs": 2},
        }

    @pytest.mark.parametrize(
        "setting", ["tokenizer", "tokenizer.max_length", "=3", ".a=3", "a.=3", "a..b=3", "", " =1"]
    )
    def test_a_malformed_setting_is_shown(self, setting):
        error = wrong(set_value, {}, setting)
        assert (error.where, error.what) == (f"--set {setting}", "must read key.path=value")

    def test_a_value_has_no_keys(self):
        assert "'seed' is a value, not a table" in wrong(set_value, {"seed": 3}, "seed.a=3").what


class TestChecking:
    def test_everything_has_a_value_and_an_origin(self, resolved):
        recipe = resolved("encoder.size=4")
        assert recipe.seed == 42
        assert recipe["encoder"].options.size == 4
        document = recipe.document()
        assert set(document) == {"seed", "plugins", *KINDS, "task", "resolved"}
        assert recipe.origins["tokenizer.max_length"] == "default"
        assert recipe.origins["task.dropout"] == "default"
        assert recipe.origins["trainer.epochs"] == "suggested by the encoder mean"
        assert "encoder.size" not in recipe.origins

    @pytest.mark.parametrize(
        ("setting", "where", "hint"),
        [
            ("tokeniser.max_length=3", "tokeniser", "did you mean tokenizer?"),
            ("sead=3", "sead", "did you mean seed?"),
            ("tokenizer.max_lenght=3", "tokenizer.max_lenght", "did you mean max_length?"),
            ("trainer.class_weights=balanced", "trainer.class_weights", "did you mean task.class_weights?"),
            ("task.size=3", "task.size", "did you mean encoder.size?"),
            ("task.dropuot=3", "task.dropuot", "did you mean dropout?"),
            ("encoder.zzz=3", "encoder.zzz", "known: size"),
        ],
    )
    def test_an_unknown_name_gets_the_nearest(self, resolved, setting, where, hint):
        error = wrong(resolved, setting)
        assert (error.where, error.hint) == (where, hint)

    @pytest.mark.parametrize(
        ("setting", "where", "what"),
        [
            ("encoder=3", "encoder", "must be a table or a name, not int"),
            ("encoder.name=3", "encoder.name", "must be text, not 3"),
            ("task=[1]", "task", "must be a table or a name, not list"),
            ("task.name=generate", "task.name", "there is no task 'generate'"),
            ("task.dropout=1", "task.dropout", "should be less than 1, not 1"),
            (
                "task.class_weights=balance",
                "task.class_weights",
                "should be 'none' or 'balanced' or should be a table, not 'balance'",
            ),
            ("encoder.size=big", "encoder.size", "should be a valid integer, not 'big'"),
            ("tokenizer.max_length=2", "tokenizer.max_length", "should be greater than or equal to 3, not 2"),
            ("resolved=3", "resolved", "must be a table, not 3"),
        ],
    )
    def test_a_wrong_value_is_named(self, resolved, setting, where, what):
        error = wrong(resolved, setting)
        assert (error.where, error.what) == (where, what)

    @pytest.mark.parametrize("seed", ["-1", "4294967296", "1.0", "true", "text", "[1]"])
    def test_a_seed_is_a_whole_number_of_32_bits(self, resolved, seed):
        error = wrong(resolved, f"seed={seed}")
        assert error.where == "seed"
        assert error.what.startswith("must be a whole number from 0 to 4294967295, not ")

    @pytest.mark.parametrize("seed", [0, 4294967295])
    def test_the_ends_of_the_range_are_seeds(self, resolved, seed):
        assert resolved(f"seed={seed}").seed == seed

    def test_an_unknown_component_is_an_error_of_its_kind(self, resolved):
        error = wrong(resolved, encoder="maen", error=ComponentError)
        assert error.what == "no installed plugin provides the encoder 'maen'"
        assert error.hint.startswith("did you mean mean?")

    def test_the_default_component_is_marked_as_such(self, board):
        recipe = resolve({}, board)
        assert {recipe.origins[f"{kind}.name"] for kind in KINDS} == {"default"}
        assert "dataset.name" not in resolve({"dataset": "toy"}, board).origins

    def test_a_schema_that_raises_something_odd_is_its_plugins_fault(self, site, component, document, toy):
        odd = (
            "import pegboard, pydantic\nclass Odd(pegboard.Options):\n    n: int = 1\n"
            "    @pydantic.field_validator('n')\n    @classmethod\n    def _f(cls, v): return {}['key']\n"
        )
        site.add("plug", component("encoder", "odd", options="odd_options:Odd"), odd_options=odd)
        board = Registry([toy], path=[str(site)])
        made = document(None, "encoder.n=2", **{**BARE, "encoder": "odd"})
        error = wrong(resolve, made, board, error=ComponentError)
        assert error.what == "the encoder 'odd' of plug 1.0 is broken: its options can't be checked: KeyError: 'key'"


SUGGESTING = """
import pegboard, pydantic
class A(pegboard.Options):
    size: int = 5
    word: str | None = None
    ratio: float = 0.5
class B(pegboard.Options):
    size: int = 7
    word: str | None = None
    ratio: float = pydantic.Field(0.5, gt=0)
    depth: int = 1
"""


class TestSuggestions:
    """A component suggests values for options of others; the user's word counts more."""

    @pytest.fixture
    def suggesting(self, site, component, toy):
        """`suggesting({…of the tokenizer}, {…of the encoder})(*settings)`: a resolved recipe."""

        def make(tokenizer=None, encoder=None, trainer=None):
            for kind, schema, suggests in (
                ("tokenizer", "A", tokenizer),
                ("encoder", "B", encoder),
                ("trainer", "B", trainer),
            ):
                fields = {"suggests": suggests or {}, "options": f"suggesting_options:{schema}"}
                files = {"suggesting_options": SUGGESTING} if kind == "tokenizer" else {}
                site.add(f"plug-{kind}", component(kind, "x", **fields), **files)
            board = Registry([toy], path=[str(site)])
            names = {"dataset": "toy", "tokenizer": "x", "encoder": "x", "trainer": "x"}
            return lambda *settings: resolve(document_of(None, choices=names, settings=settings), board)

        return make

    def test_it_counts_where_the_user_says_nothing(self, suggesting):
        recipe = suggesting(encoder={"tokenizer.size": 9, "task.dropout": 0.4, "trainer.no_such_option": 3})
        assert recipe()["tokenizer"].options.size == 9
        assert recipe().task.dropout == 0.4
        assert recipe().origins["tokenizer.size"] == "suggested by the encoder x"
        assert recipe().origins["task.dropout"] == "suggested by the encoder x"
        mine = recipe("tokenizer.size=2", "task.dropout=0.3")
        assert (mine["tokenizer"].options.size, mine.task.dropout) == (2, 0.3)
        assert not {"tokenizer.size", "task.dropout"} & mine.origins.keys()

    def test_of_two_the_later_kind_counts(self, suggesting):
        recipe = suggesting(tokenizer={"trainer.size": 1}, encoder={"trainer.size": 2})()
        assert recipe["trainer"].options.size == 2
        assert recipe.origins["trainer.size"] == "suggested by the encoder x"

    def test_the_same_as_another_option_follows_it_wherever_it_comes_from(self, suggesting):
        recipe = suggesting(
            encoder={"tokenizer.size": SameAs("encoder.size"), "tokenizer.word": SameAs("encoder.word")},
            trainer={"encoder.size": SameAs("trainer.depth")},
        )
        assert recipe()["tokenizer"].options.size == 1  # trainer.depth by way of encoder.size
        assert recipe("trainer.depth=4")["tokenizer"].options.size == 4
        assert recipe("encoder.size=3", "trainer.depth=4")["tokenizer"].options.size == 3
        assert recipe("tokenizer.size=2", "encoder.size=3")["tokenizer"].options.size == 2
        assert recipe().origins["tokenizer.word"] == "default"
        assert recipe("encoder.word=bert")["tokenizer"].options.word == "bert"

    def test_options_that_follow_each_other_have_their_defaults(self, suggesting):
        recipe = suggesting(
            tokenizer={"encoder.size": SameAs("tokenizer.size")}, encoder={"tokenizer.size": SameAs("encoder.size")}
        )
        for kind, other in (("tokenizer", "encoder"), ("encoder", "tokenizer")):
            assert recipe(f"{kind}.size=3")[other].options.size == 3
        assert (recipe()["tokenizer"].options.size, recipe()["encoder"].options.size) == (5, 7)

    def test_one_that_does_not_fit_names_who_suggests_it(self, suggesting):
        error = wrong(suggesting(encoder={"tokenizer.size": "many"}))
        assert error.where == "tokenizer.size"
        assert error.what == "should be a valid integer, not 'many', which is suggested by the encoder x"
        assert error.hint == "set it yourself: --set tokenizer.size=…"

    def test_the_users_word_mends_one_that_does_not_fit(self, suggesting):
        assert suggesting(encoder={"trainer.ratio": -1})("trainer.ratio=1")["trainer"].options.ratio == 1.0

    def test_what_the_user_got_wrong_is_not_blamed_on_a_suggestion(self, suggesting):
        error = wrong(suggesting(encoder={"tokenizer.size": SameAs("encoder.size")}), "encoder.size=big")
        assert (error.where, error.what) == ("encoder.size", "should be a valid integer, not 'big'")

    def test_an_option_of_its_own_that_it_does_not_have_is_the_plugins_fault(self, suggesting):
        error = wrong(suggesting(encoder={"tokenizer.size": SameAs("encoder.sise")}), error=ComponentError)
        assert error.what.startswith(
            "the encoder 'x' of plug-encoder 1.0 is broken: it suggests tokenizer.size = the same as encoder.sise"
        )

    def test_another_components_option_that_is_not_there_is_no_reason_to_stop(self, suggesting):
        recipe = suggesting(encoder={"tokenizer.size": SameAs("trainer.no_such")})()
        assert recipe["tokenizer"].options.size == 5

    @pytest.mark.parametrize("key", ["epochs", "trainr.epochs", "trainer.", "trainer.a.b", "", 3, "resolved.data"])
    def test_a_key_that_can_be_no_options_is_refused_at_once(self, key):
        with pytest.raises(ValueError, match="key"):
            ComponentSpec(name="x", factory="m:c", summary="s", suggests={key: 3})
        with pytest.raises(ValueError, match="key"):
            SameAs(key)


class TestRoundTrip:
    def again(self, text, tmp_path, board, *settings, **choices):
        file = tmp_path / "again.toml"
        file.write_text(text, encoding="utf-8")
        return resolve(document_of(file, choices=choices, settings=settings), board)

    def test_what_is_shown_is_a_recipe_with_the_same_identity(self, resolved, tmp_path, board):
        recipe = resolved("encoder.size=4", "seed=7", 'dataset.splits=["train", "test"]', "task.label_smoothing=1e-3")
        for text in (recipe.to_toml(), recipe.to_annotated_toml()):
            assert self.again(text, tmp_path, board).identity() == recipe.identity()

    def test_its_comments_say_where_values_come_from(self, resolved):
        lines = resolved("encoder.size=4").to_annotated_toml().splitlines()
        assert "size = 4" in lines
        assert "epochs = 12  # suggested by the encoder mean" in lines
        assert "dropout = 0.1  # default" in lines
        assert 'name = "mean"' in lines

    def test_options_that_are_not_set_are_mentioned(self, site, component, toy, board):
        site.add("plug", component("encoder", "x", options="unset:U"), unset=SUGGESTING.replace("class A", "class U"))
        recipe = resolve({**BARE, "encoder": "x"}, Registry([toy], path=[str(site)]))
        lines = recipe.to_annotated_toml().splitlines()
        assert lines[lines.index('name = "x"') : lines.index("[trainer]") - 1] == [
            'name = "x"',
            "size = 5  # default",
            "ratio = 0.5  # default",
            "# word is not set",
        ]

    def test_the_identity_holds_whatever_changes_a_result(self, resolved):
        recipe = resolved()
        others = [resolved(s) for s in ("seed=1", "encoder.size=3", "task.dropout=0", "dataset.rows=91")]
        others.append(recipe.with_data("blake3:1"))
        assert len({r.identity() for r in (recipe, *others)}) == len(others) + 1
        assert resolved().identity() == recipe.identity()
        assert resolved("encoder.size=16").identity() == recipe.identity()

    def test_an_option_that_changes_no_result_is_no_part_of_it(self, resolved, monkeypatch):
        recipe, other, third = (resolved(f"encoder.size={size}", "seed=7") for size in (3, 4, 4))
        monkeypatch.setattr(type(recipe["encoder"].options), "changes_no_result", frozenset({"size"}))
        assert recipe.changes_no_result == {"encoder.size"}
        assert recipe.identity() == other.identity() == third.identity()
        assert resolved("encoder.size=3", "seed=8").identity() != recipe.identity()
        assert (recipe.document()["encoder"]["size"], other.document()["encoder"]["size"]) == (3, 4)

    def test_two_plugins_with_one_name_dont_confuse_a_resolved_recipe(self, site, component, document, toy, tmp_path):
        for name in ("one", "two"):
            site.add(name, component("encoder", "x"))
        board = Registry([toy], path=[str(site)])
        recipe = resolve(document(**{**BARE, "encoder": "two:x"}), board)
        assert self.again(recipe.to_toml(), tmp_path, board)["encoder"].component.distribution == "two"
        wrong(resolve, document(**{**BARE, "encoder": "x"}), board, error=ComponentError)


class TestResolvedTable:
    """Versions and data of an earlier run are compared with those of today."""

    @pytest.fixture
    def file(self, resolved, tmp_path):
        file = tmp_path / "resolved.toml"
        file.write_text(resolved().with_data("blake3:before").to_toml())
        return file

    def read(self, board, document, file, *settings, **more):
        return resolve(document(file, *settings, **more), board)

    def test_the_same_versions_pass_in_silence(self, board, document, file, recwarn):
        self.read(board, document, file).with_data("blake3:before")
        assert not recwarn

    @pytest.mark.parametrize("key", ["pegboard", *KINDS])
    def test_another_version_is_a_warning(self, board, document, file, key):
        content = read_toml(file)
        now = content["resolved"][key]
        content["resolved"][key] = old = now.rpartition("==")[0] + "==0.0.1" if "==" in now else "0.0.1"
        file.write_text(write_toml(content))
        with pytest.warns(PegboardWarning) as caught:
            self.read(board, document, file)
        [warning] = caught
        assert str(warning.message).startswith(f"the recipe was resolved with {key} {old}; ")
        assert str(warning.message).endswith(f"{now} is installed")

    def test_other_data_are_a_warning_where_they_are_loaded(self, board, document, file):
        recipe = self.read(board, document, file)
        with pytest.warns(PegboardWarning, match=r"not those of the resolved recipe \(blake3:before there, blake3:now"):
            assert recipe.with_data("blake3:now").data_fingerprint == "blake3:now"

    @pytest.mark.parametrize("settings", [["dataset.rows=91"], ["seed=3"]])
    def test_data_that_were_changed_on_purpose_are_not(self, board, document, file, settings, recwarn):
        self.read(board, document, file, *settings).with_data("blake3:now")
        assert not recwarn

    def test_a_component_that_was_changed_on_purpose_is_not(self, site, component, toy, document, file, recwarn):
        site.add("plug", component("encoder", "x"))
        board = Registry([toy], path=[str(site)])
        for made in (document(file, encoder="x"), document(file, "encoder=x")):
            assert resolve(made, board)["encoder"].component.distribution == "plug"
        assert not recwarn

    def test_a_run_of_changed_data_says_so(self, toy_training, tmp_path, cli):
        first, second = tmp_path / "first", tmp_path / "second"
        assert cli(*toy_training, "--out", first).code == 0
        text = (first / "recipe.toml").read_text()
        (tmp_path / "mine.toml").write_text(text.replace("blake3:", "blake3:0"))
        done = cli("train", "--quiet", tmp_path / "mine.toml", "--out", second)
        assert done.code == 0
        assert done.err.startswith("warning: the data are not those of the resolved recipe (blake3:0")
        again = cli("train", "--quiet", first / "recipe.toml", "--out", tmp_path / "third")
        assert (again.code, again.err) == (0, "")
        assert (tmp_path / "third" / "recipe.toml").read_text() == text


READER = """
class Options(pegboard.DatasetOptions):
    path: str
    text_column: str = 'text'
"""


class TestDatasets:
    """A data set is a name, a path, or scheme:rest."""

    @pytest.fixture
    def board(self, site, component, toy):
        for name, scheme in (("tables", "path"), ("web", "hub")):
            code = component("dataset", name, options=f"{name}:Options", schemes=(scheme,), more=READER)
            site.add(name, code)
        return Registry([toy], path=[str(site)])

    @pytest.fixture
    def here(self, tmp_path, monkeypatch):
        folder = tmp_path / "here"
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        for name in ("words", "toy"):
            (folder / name).mkdir()
        return folder

    def find(self, board, reference, *settings):
        document = document_of(None, choices={"dataset": reference}, settings=settings)
        choice = resolve_dataset(document, board)
        return choice.component.name, getattr(choice.options, "path", None)

    @pytest.mark.parametrize("reference", ["data.csv", "data.JSONL", "data.txt.gz", "a/b", "./words", "words", "../x"])
    def test_a_path(self, board, here, reference):
        name, path = self.find(board, reference)
        assert name == "tables"
        assert Path(path).is_absolute()
        assert Path(path).resolve() == (here / reference).resolve()

    def test_a_path_in_the_home_folder(self, board, here, tmp_path):
        assert self.find(board, "~/data.csv") == ("tables", str(tmp_path / "home" / "data.csv"))

    def test_a_name(self, board, here):
        assert self.find(board, "toy") == ("toy", None)
        assert self.find(board, "./toy") == ("tables", str(here / "toy"))
        assert self.find(board, "toy_plugin.py:toy") == ("toy", None)
        assert self.find(board, "web:web", "dataset.path=a/b") == ("web", "a/b")

    def test_a_scheme(self, board, here):
        assert self.find(board, "hub:owner/name") == ("web", "owner/name")
        assert self.find(board, "hub:name") == ("web", "name")
        assert self.find(board, "hub:./owner.csv") == ("web", "./owner.csv")

    def test_a_path_as_an_option(self, board, here):
        assert self.find(board, "tables", "dataset.path=data.csv") == ("tables", str(here / "data.csv"))

    def test_a_word_that_is_neither_name_nor_path(self, board, here):
        error = wrong(self.find, board, "tyo", error=ComponentError)
        assert error.hint.startswith("did you mean toy?")

    def test_a_scheme_that_nothing_reads_is_not_taken_for_a_path(self, site, toy, component, here):
        site.add("tables", component("dataset", "tables", options="tables:Options", schemes=("path",), more=READER))
        error = wrong(self.find, Registry([toy], path=[str(site)]), "hub:owner/name", error=ComponentError)
        assert "pip install" in error.hint

    def test_a_path_without_a_reader_names_the_package(self, toy, here):
        error = wrong(self.find, Registry([toy], path=[]), "data.csv", error=ComponentError)
        assert "reads a 'path' reference" in error.what
        assert "pip install" in error.hint

    @pytest.mark.parametrize(
        "table",
        [
            'dataset = "data.csv"',
            '[dataset]\nname = "data.csv"',
            '[dataset]\nname = "./data.csv"',
            '[dataset]\nname = "tables"\npath = "data.csv"',
            '[dataset]\nname = "tables"\npath = "../elsewhere/data.csv"',
        ],
    )
    def test_a_path_in_a_recipe_is_relative_to_the_recipe(self, board, here, tmp_path, table):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        (folder / "recipe.toml").write_text(table)
        for file in (folder / "recipe.toml", Path("../elsewhere/recipe.toml")):
            choice = resolve_dataset(document_of(file, choices={}), board)
            assert Path(choice.options.path).is_absolute()
            assert Path(choice.options.path).resolve() == folder / "data.csv"

    def test_a_folder_beside_a_recipe_by_its_bare_name(self, board, here, tmp_path):
        folder = tmp_path / "elsewhere"
        (folder / "corpus").mkdir(parents=True)
        (folder / "recipe.toml").write_text('dataset = "corpus"')
        choice = resolve_dataset(document_of(folder / "recipe.toml", choices={}), board)
        assert choice.options.path == str(folder / "corpus")
        (folder / "recipe.toml").write_text('dataset = "words"')  # lies in the working folder only
        document = document_of(folder / "recipe.toml", choices={})
        wrong(resolve_dataset, document, board, error=ComponentError)

    def test_a_reference_of_another_scheme_in_a_recipe_is_left_alone(self, board, here):
        (here / "recipe.toml").write_text('[dataset]\nname = "web"\npath = "owner/name"\n')
        choice = resolve_dataset(document_of(here / "recipe.toml", choices={}), board)
        assert choice.options.path == "owner/name"

    def test_what_the_command_line_says_is_relative_to_the_working_folder(self, board, here, tmp_path):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        (folder / "recipe.toml").write_text('[dataset]\nname = "data.csv"\ntext_column = "body"\n')
        for choices, settings in (({"dataset": "data.csv"}, []), ({}, ["dataset.name=data.csv"])):
            made = document_of(folder / "recipe.toml", choices=choices, settings=settings)
            options = resolve_dataset(made, board).options
            assert options.path == str(here / "data.csv")
            assert options.text_column == "body"

    def test_the_resolved_recipe_holds_from_everywhere(self, board, here, tmp_path, monkeypatch):
        choices = {**BARE, "dataset": "data.csv"}
        recipe = resolve(document_of(None, choices=choices), board)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "again.toml").write_text(recipe.to_toml())
        again = resolve(document_of(Path("again.toml"), choices={}), board)
        assert again["dataset"].options.path == str(here / "data.csv")
        assert again.identity() == recipe.identity()


class TestSchema:
    """The JSON Schema accepts what resolves; checked with jsonschema where it is installed."""

    @pytest.fixture
    def schema(self, site, component, toy):
        nested = (
            "import pegboard\nclass Part(pegboard.Options):\n    depth: int = 1\n"
            "class Nested(pegboard.Options):\n    part: Part = Part()\n    parts: list[Part] = []\n"
        )
        for name in ("one", "two"):
            code = component("encoder", "nested", options=f"nested_{name}:Nested")
            site.add(name, code, **{f"nested_{name}": nested})
        site.add("broken-options", component("encoder", "broken", options="no_such:X"))
        site.add("tables", component("dataset", "tables", options="tables:Options", schemes=("path",), more=READER))
        return recipe_schema(Registry([toy], path=[str(site)]))

    def references(self, node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            node = list(node.values())
        for part in node if isinstance(node, list) else ():
            yield from self.references(part)

    def test_it_has_every_table_and_every_component_whose_options_can_be_read(self, schema):
        assert set(schema["properties"]) == {"seed", "plugins", "resolved", "task", *KINDS}
        assert schema["additionalProperties"] is False
        json.dumps(schema)
        encoders = schema["properties"]["encoder"]["anyOf"]
        names = [part["properties"]["name"]["enum"] for part in encoders if "properties" in part]
        assert names == [["mean", "toy_plugin.py:mean"], ["nested", "one:nested"], ["nested", "two:nested"]]
        assert all(part["additionalProperties"] is False for part in encoders if "properties" in part)

    def test_every_reference_inside_it_leads_somewhere(self, schema):
        references = set(self.references(schema))
        assert references == {"#/$defs/one:nested.Part", "#/$defs/two:nested.Part"}
        assert {f"#/$defs/{name}" for name in schema["$defs"]} == references

    def test_the_resolved_document_has_no_key_that_the_schema_lacks(self, schema, resolved):
        document = resolved().document()
        for table in (*KINDS, "task"):
            parts = schema["properties"][table]["anyOf"]
            known = [set(part["properties"]) for part in parts if "properties" in part]
            assert set(document[table]) in known

    def test_it_accepts_what_resolves_and_refuses_what_does_not(self, schema, resolved):
        jsonschema = pytest.importorskip("jsonschema")
        validator = jsonschema.Draft202012Validator(schema)
        validator.check_schema(schema)
        good = [
            {},
            resolved().document(),
            parse_toml(resolved("encoder.size=3").to_toml()),
            {"encoder": "mean", "task": "classify", "seed": 3},
            {"encoder": {"name": "one:nested", "part": {"depth": 3}, "parts": [{"depth": 1}]}},
            {"dataset": {"name": "data.csv", "text_column": "body"}},
            {"task": "multi-label"},
            {"task": {"class_weights": {"a label": 2}}},
            {"task": {"name": "multi-label", "threshold": "tuned", "class_weights": {"b": 0.5}}},
            resolved("task.name=multi-label", "task.class_weights.b=2").document(),
        ]
        bad = [
            {"seed": -1},
            {"encodr": "mean"},
            {"encoder": {"name": "mean", "size": "big"}},
            {"encoder": {"name": "mean", "sise": 3}},
            {"encoder": {"name": "nested", "part": {"deep": 3}}},
            {"encoder": {"name": "no-such"}},
            {"task": {"dropout": 1}},
            {"task": {"threshold": 0.3}},
            {"task": {"name": "multi-label", "threshold": 1.5}},
            {"task": {"name": "multi-label", "sampling": "balanced"}},
            {"task": {"name": "multi-label", "class_weights": {"b": 0}}},
        ]
        assert [validator.is_valid(document) for document in good] == [True] * len(good)
        assert [validator.is_valid(document) for document in bad] == [False] * len(bad)
