"""Option schemas say what is wrong in one sentence, with the place and a way out."""

import datetime
import enum
import json
from pathlib import Path
from typing import Literal

import pegboard
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.errors import RecipeError
from pegboard.options import Options, as_document, check_options
from pegboard.toml import parse_toml, write_toml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator


class Cell(enum.Enum):
    GRU = "gru"
    LSTM = "lstm"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = 1


class Many(Options):
    number: int = Field(3, ge=1, le=10)
    """how many"""
    share: float = Field(0.5, gt=0, lt=1)
    text: str = "a"
    flag: bool = False
    choice: Literal["one", "two"] = "one"
    either: int | Literal["auto"] = "auto"
    maybe: str | None = None
    sizes: tuple[int, ...] = (3, 4)
    names: list[str] = Field(default_factory=list)
    weights: dict[str, float] = Field(default_factory=dict)
    path: Path = Path("here")
    cell: Cell = Cell.GRU
    inner: Inner = Inner()
    even: int = 2

    @field_validator("even")
    @classmethod
    def _is_even(cls, value):
        if value % 2:
            raise ValueError("must be even")
        return value


class Needed(Options):
    where: str


def wrong(schema=Many, elsewhere=(), **values):
    with pytest.raises(RecipeError) as caught:
        check_options(schema, values, table="encoder", elsewhere=elsewhere)
    assert caught.value.exit_status == 2
    return caught.value


GOOD = {
    "number": 10,
    "share": 0.25,
    "text": "b",
    "flag": True,
    "choice": "two",
    "either": 7,
    "maybe": "text",
    "sizes": [1, 2],
    "names": ["x"],
    "weights": {"a": 1.5, "b": 2},
    "path": "there/file.csv",
    "cell": "lstm",
    "inner": {"depth": 4},
}


def test_values_of_a_document_become_options_and_a_document_again():
    options = check_options(Many, GOOD, table="encoder")
    assert (options.sizes, options.path, options.cell) == ((1, 2), Path("there/file.csv"), Cell.LSTM)
    document = as_document(options)
    assert {key: document[key] for key in GOOD} == GOOD
    assert check_options(Many, json.loads(json.dumps(document)), table="encoder") == options
    assert check_options(Many, parse_toml(write_toml(document)), table="encoder") == options


def test_defaults_survive_a_document_too():
    assert check_options(Many, parse_toml(write_toml(as_document(Many()))), table="encoder") == Many()


def test_an_integer_is_a_number_and_a_python_path_is_text():
    assert check_options(Many, {"weights": {"a": 1}}, table="t").weights == {"a": 1.0}
    assert check_options(Needed, {"where": Path("x")}, table="t").where == "x"
    assert check_options(Needed, {"where": datetime.date(2024, 2, 29)}, table="t").where == "2024-02-29"


@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"number": 0}, "number", "should be greater than or equal to 1, not 0"),
        ({"number": 11}, "number", "should be less than or equal to 10, not 11"),
        ({"number": "3"}, "number", "should be a valid integer, not '3'"),
        ({"number": 3.0}, "number", "should be a valid integer, not 3.0"),
        ({"number": True}, "number", "should be a valid integer, not True"),
        ({"number": None}, "number", "should be a valid integer, not None"),
        ({"share": 1}, "share", "should be less than 1, not 1"),
        ({"share": "0.5"}, "share", "should be a valid number, not '0.5'"),
        ({"share": float("nan")}, "share", "should be a finite number, not nan"),
        ({"share": float("inf")}, "share", "should be a finite number, not inf"),
        ({"flag": 1}, "flag", "should be a valid boolean, not 1"),
        ({"flag": "yes"}, "flag", "should be a valid boolean, not 'yes'"),
        ({"choice": "three"}, "choice", "should be 'one' or 'two', not 'three'"),
        ({"either": "manual"}, "either", "should be a valid integer or should be 'auto', not 'manual'"),
        ({"sizes": [1, "x"]}, "sizes.1", "should be a valid integer, not 'x'"),
        ({"sizes": 3}, "sizes", "should be a valid array, not 3"),
        ({"names": "x"}, "names", "should be a valid array, not 'x'"),
        ({"weights": {"a": "b"}}, "weights.a", "should be a valid number, not 'b'"),
        ({"cell": "rnn"}, "cell", "should be 'gru' or 'lstm', not 'rnn'"),
        ({"inner": {"deep": 4}}, "inner.deep", "there is no such option"),
        ({"even": 3}, "even", "must be even, not 3"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(values, where, what):
    error = wrong(**values)
    assert (error.where, error.what) == (f"encoder.{where}", what)


@pytest.mark.parametrize(("value", "quoted"), [(8, '"8"'), (True, '"true"'), (1.5, '"1.5"')])
def test_text_that_reads_like_a_number_needs_quotes(value, quoted):
    assert wrong(text=value).hint == f"text that looks like something else needs quotes: --set 'encoder.text={quoted}'"
    assert "quotes" in wrong(maybe=value).hint
    assert wrong(number="8").hint is None


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [object()]])
def test_a_value_that_no_recipe_can_hold_is_refused(value):
    error = wrong(text=value)
    assert error.where == "encoder.text"
    assert "can't stand in a recipe" in error.what


def test_a_required_option_says_how_to_give_it():
    error = wrong(Needed)
    assert (error.where, error.what, error.hint) == ("encoder.where", "is required", "--set encoder.where=…")


def test_an_unknown_option_gets_the_nearest_name():
    error = wrong(numbr=3)
    assert (error.where, error.what, error.hint) == (
        "encoder.numbr",
        "there is no option 'numbr'",
        "did you mean number?",
    )
    assert "known: cell, choice, " in wrong(xyzzy=3).hint


def test_an_option_of_another_table_says_where_it_stands():
    error = wrong(class_weights="balanced", elsewhere=["trainer.epochs", "task.class_weights"])
    assert error.hint == "did you mean task.class_weights?"


def test_a_component_without_options_says_so():
    assert wrong(Options, depth=3).hint == "this encoder has no options"


def test_a_rule_over_several_options_has_the_table_as_its_place():
    class Pair(Options):
        low: int = 1
        high: int = 2

        @model_validator(mode="after")
        def _in_order(self):
            if self.low > self.high:
                raise ValueError(f"low ({self.low}) is above high ({self.high})")
            return self

    error = wrong(Pair, low=5)
    assert str(error) == "encoder: low (5) is above high (2)"


def test_options_are_frozen_and_strict_in_python_too():
    options = Many(number=4)
    with pytest.raises(ValidationError):
        options.number = 5
    with pytest.raises(ValidationError):
        Many(number="4")
    with pytest.raises(ValidationError):
        Many(unknown=4)


def test_a_docstring_under_an_option_is_its_help():
    assert Many.model_json_schema()["properties"]["number"]["description"] == "how many"


@pytest.mark.parametrize("schema", [pegboard.Options, pegboard.TokenizerOptions, pegboard.DatasetOptions])
def test_the_options_of_every_kind_have_help_and_defaults(schema):
    assert schema() == check_options(schema, {}, table="t")
    for name, field in schema.model_fields.items():
        assert field.description, name


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "number": st.integers(1, 10),
            "share": st.floats(0, 1, exclude_min=True, exclude_max=True),
            "text": st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8),
            "maybe": st.text(st.characters(codec="ascii"), max_size=8),
            "sizes": st.lists(st.integers(-(2**62), 2**62), max_size=3),
            "names": st.lists(st.text("ab\"'\\\n\t ü☃", max_size=4), max_size=3),
            "weights": st.dictionaries(st.text("a. =ü", min_size=1, max_size=3), st.floats(-1e300, 1e300), max_size=3),
        },
    )
)
def test_any_options_survive_toml_to_the_bit(values):
    options = check_options(Many, values, table="encoder")
    assert check_options(Many, parse_toml(write_toml(as_document(options))), table="encoder") == options
