"""Which saved versions a component reads: `ComponentSpec.reads`."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest
from pegboard.artifact import load_model
from pegboard.errors import ComponentError, PegboardWarning
from pegboard.plugins.registry import Registry
from pegboard.specs import ComponentSpec


def saved_by(model, version, distribution="words"):
    """Let the model's tokenizer have come from another distribution."""
    file = model / "config.json"
    config = json.loads(file.read_text())
    config["pegboard"]["tokenizer"].update(distribution=distribution, version=version)
    file.write_text(json.dumps(config))
    names = [path for path in model.iterdir() if path.name != "manifest.json"]
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}
    (model / "manifest.json").write_text(json.dumps({"sha256": sums}))


@pytest.fixture
def model(run_copy):
    return run_copy / "model"


@pytest.fixture
def words(site, toy):
    """`words(version, reads)`: the toy tokenizer as an installed distribution."""

    def install(version, reads):
        source = Path(toy).read_text().replace('name="space",', f'name="space", reads={reads!r},')
        site.add("words", source, version=version)
        return Registry([toy])

    return install


@pytest.mark.parametrize(
    ("saved", "installed", "reads"),
    [("1.0", "2.0", ""), ("1.5", "2.0", ">=1.5"), ("2.0rc1", "2.0", ">=1,<3"), ("1.2", "1.3", "==1.*")],
)
def test_a_version_that_is_read_is_loaded_with_a_warning(saved, installed, reads, model, words):
    saved_by(model, saved)
    with pytest.warns(PegboardWarning, match=f"saved with words {saved}; {installed} is installed"):
        assert load_model(model, words(installed, reads)).label_names == ("joy", "gloom", "rage")


def test_its_own_version_is_always_read(model, words):
    saved_by(model, "2.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(model, words("2.0", ">=3"))


@pytest.mark.parametrize(("saved", "reads"), [("1.4", ">=1.5"), ("2.1", "<=2"), ("f103d40f0ea3", ">=1"), ("", ">=1")])
def test_a_version_that_is_not_read_is_refused(saved, reads, model, words, cli, toy):
    saved_by(model, saved)
    with pytest.raises(ComponentError) as caught:
        load_model(model, words("2.0", reads))
    assert f"saved with words {saved}; 2.0 is installed, whose tokenizer 'space' reads models of {reads} only" in str(
        caught.value
    )
    assert caught.value.hint == f"pip install words=={saved}"
    done = cli("predict", model, "glad", "--plugin", toy)
    assert (done.code, done.out) == (3, "")
    assert f"pip install words=={saved}" in done.err


@pytest.mark.parametrize("reads", ["2", ">=", ">=x", "words>=1", 2, (">=1",)])
def test_a_specifier_that_is_none_is_the_authors_mistake(reads):
    with pytest.raises(ValueError, match="reads of 'space' must be a version specifier"):
        ComponentSpec(name="space", factory="words:Words", summary="words", reads=reads)
