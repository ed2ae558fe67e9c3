"""`pegboard recipe show|check|schema`."""

import json

import pytest
from pegboard.toml import parse_toml

NAMES = ("--dataset", "toy", "--tokenizer", "space", "--encoder", "mean", "--trainer", "loop")


@pytest.fixture
def chosen(toy):
    """The arguments that choose the toy components."""
    return ("--plugin", toy, *NAMES)


class TestShow:
    def test_what_it_prints_is_a_recipe_that_shows_the_same(self, cli, chosen, tmp_path):
        first = cli("recipe", "show", *chosen, "--set", "encoder.size=8", "--seed", "7")
        assert (first.code, first.err) == (0, "")
        (tmp_path / "mine.toml").write_text(first.out)
        again = cli("recipe", "show", tmp_path / "mine.toml")
        assert (again.code, again.err) == (0, "")
        assert parse_toml(again.out) == parse_toml(first.out)

    def test_it_says_where_values_come_from(self, cli, chosen):
        lines = cli("recipe", "show", *chosen, "--set", "task.dropout=0.2").out.splitlines()
        assert "epochs = 12  # suggested by the encoder mean" in lines
        assert "size = 16  # default" in lines
        assert "dropout = 0.2" in lines

    def test_a_component_that_is_chosen_because_it_is_the_default_says_so(self, cli, chosen, site, component):
        site.add("only", component("trainer", "zzz", default=True))
        lines = cli("recipe", "show", *chosen).out.splitlines()
        assert 'name = "loop"' in lines

    def test_json_is_the_same_document(self, cli, chosen):
        document = json.loads(cli("recipe", "show", *chosen, "--json").out)
        assert parse_toml(cli("recipe", "show", *chosen).out) == {
            **document,
            "resolved": {key: value for key, value in document["resolved"].items() if value is not None},
        }

    def test_settings_come_in_order_and_the_last_one_counts(self, cli, chosen):
        done = cli("recipe", "show", *chosen, "--set", "encoder.size=8", "--set", "encoder.size=9", "--json")
        assert json.loads(done.out)["encoder"]["size"] == 9

    def test_a_recipe_brings_its_one_file_plugins(self, cli, toy, tmp_path):
        names = "\n".join(f'{NAMES[i].lstrip("-")} = "{NAMES[i + 1]}"' for i in range(0, 8, 2))
        (tmp_path / "mine.toml").write_text(f'plugins = ["{toy}"]\n{names}\n')
        assert cli("recipe", "check", tmp_path / "mine.toml").code == 0


class TestCheck:
    def test_a_recipe_that_is_fine(self, cli, chosen):
        assert cli("recipe", "check", *chosen) == (
            0,
            "ok: dataset toy_plugin.py:toy, tokenizer toy_plugin.py:space, "
            "encoder toy_plugin.py:mean, trainer toy_plugin.py:loop\n",
            "",
        )

    @pytest.mark.parametrize(
        ("content", "status", "message"),
        [
            ("seed = -1", 2, "seed: must be a whole number from 0 to 4294967295, not -1"),
            ("[encodr]", 2, "encodr: there is no table or key 'encodr' in a recipe\n  -> did you mean encoder?"),
            (
                '[encoder]\nname = "mean"\nsizes = 3',
                2,
                "encoder.sizes: there is no option 'sizes'\n  -> did you mean size?",
            ),
            ("[task]\ndropout = 2", 2, "task.dropout: should be less than 1, not 2"),
            ("[task\n", 2, "mine.toml: is not valid TOML: Expected ']'"),
            ('plugins = ["missing.py"]', 2, "missing.py: the plugin file can't be read: No such file or directory"),
        ],
    )
    def test_one_that_is_not(self, cli, chosen, tmp_path, content, status, message):
        (tmp_path / "mine.toml").write_text(content)
        done = cli("recipe", "check", tmp_path / "mine.toml", *chosen)
        assert (done.code, done.out) == (status, "")
        assert done.err.startswith("error: ")
        assert message in done.err

    def test_a_component_that_is_not_there_has_status_3(self, cli, chosen):
        done = cli("recipe", "check", *chosen, "--encoder", "maen")
        assert done.code == 3
        assert "error: no installed plugin provides the encoder 'maen'\n  -> did you mean mean?" in done.err

    def test_versions_that_differ_are_a_warning(self, cli, chosen, tmp_path):
        shown = cli("recipe", "show", *chosen).out
        (tmp_path / "mine.toml").write_text(shown.replace('encoder = "toy_plugin.py==', 'encoder = "toy_plugin.py==0'))
        done = cli("recipe", "check", tmp_path / "mine.toml")
        assert done.code == 0
        assert done.err.startswith("warning: the recipe was resolved with encoder toy_plugin.py==0")
        assert len(done.err.splitlines()) == 1


class TestSchema:
    def test_it_is_json_with_every_component(self, cli, toy):
        done = cli("recipe", "schema", "--plugin", toy)
        assert (done.code, done.err) == (0, "")
        schema = json.loads(done.out)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        encoders = [part for part in schema["properties"]["encoder"]["anyOf"] if "properties" in part]
        [mean] = [part for part in encoders if "mean" in part["properties"]["name"].get("enum", ())]
        assert mean["properties"]["size"]["default"] == 16
        assert mean["description"] == "mean of embeddings"
