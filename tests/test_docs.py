"""Every page runs: titled blocks are written to files, Python is executed, `$ pegboard …` carried out, in order."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pegboard.cli.main import _run

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]+)(?:#[^)]*)?\)")

pytest.importorskip("pegboard_data")
pytest.importorskip("pegboard_rnn")
pytest.importorskip("pegboard_accelerate")


def blocks(page):
    return [match.groupdict() for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def runnable(page):
    return any(block["title"] or block["language"] in ("python", "console") for block in blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if runnable(page) and page.parent.name != "hooks"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in blocks(page):
        if block["language"] == "diff":
            continue  # of a file that the page does not show
        if block["title"]:
            Path(block["title"]).parent.mkdir(parents=True, exist_ok=True)
            Path(block["title"]).write_text(block["code"], encoding="utf-8")
        elif block["language"] == "python":
            exec(compile(block["code"], str(page), "exec"), namespace)
        elif block["language"] == "console":
            for line in block["code"].splitlines():
                assert line.startswith("$ pegboard "), f"a console block runs pegboard only: {line}"
                status = _run(shlex.split(line)[2:], debug=False)
                captured = capsys.readouterr()
                assert status == 0, f"{line}\n{captured.err}"


@pytest.mark.slow
def test_the_readmes_way_from_an_empty_folder_to_a_plugin_package(tmp_path, environment_in):
    """Word for word, in an environment of its own: commands are run, the edit is made."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## From an empty folder") :]
    steps = [match.groupdict() for match in FENCE.finditer(section[: section.index("\n## ")])]
    assert [step["language"] for step in steps] == ["sh", "diff", "sh"]
    run = environment_in(tmp_path / "environment")
    folder = tmp_path / "empty"
    folder.mkdir()
    printed = []
    for step in steps:
        if step["language"] == "diff":
            change(folder / step["title"], step["code"])
            continue
        for line in step["code"].splitlines():
            program, *arguments = shlex.split(line)
            assert program in ("pegboard", "pip")
            done = run(program, *arguments, cwd=folder)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout)
    assert "wrote ./pegboard-syllables" in printed[0]
    assert (folder / "runs" / "moods-syllables-rnn" / "metrics.json").is_file()
    vocabulary = (folder / "runs" / "moods-syllables-rnn" / "model" / "vocab.json").read_text()
    assert '"fe"' in vocabulary  # of feel
    assert "✓" in printed[-1]
    assert "✗" not in printed[-1]


def change(file, diff):
    """Apply a diff that has no line numbers."""
    lines = diff.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file} does not hold\n{before}"
    file.write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        assert (page.parent / match["target"]).exists(), match["target"]


def test_generated_pages_are_current():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_page_is_in_the_index():
    """A folder may have an index of its own, which the one above links."""
    for page in (ROOT / "docs").rglob("*.md"):
        if "examples" in page.parts or page == ROOT / "docs" / "README.md":
            continue
        folder = page.parent.parent if page.name == "README.md" else page.parent
        index = folder / "README.md" if (folder / "README.md").exists() else ROOT / "docs" / "README.md"
        relative = page.relative_to(index.parent).as_posix()
        assert relative in LINK.findall(index.read_text(encoding="utf-8")), f"{page} is not linked from {index}"


def test_the_jamo_tutorial_shows_the_package():
    package = ROOT / "docs" / "examples" / "pegboard-jamo"
    shown = {block["title"]: block["code"] for block in blocks(ROOT / "docs" / "tutorials" / "jamo.md")}
    for title in ("pyproject.toml", "src/pegboard_jamo/__init__.py", "tests/test_jamo.py"):
        assert shown[title] == (package / title).read_text(encoding="utf-8"), title


@pytest.mark.slow
def test_the_jamo_package_is_found_by_name_once_pip_has_installed_it(tmp_path, environment_in):
    run = environment_in(tmp_path / "environment")
    package = shutil.copytree(ROOT / "docs" / "examples" / "pegboard-jamo", tmp_path / "pegboard-jamo")
    done = run("pip", "install", "--quiet", "--no-deps", package)
    assert done.returncode == 0, done.stderr
    done = run("pegboard", "plugins", "check", "jamo", "--property", "decode_gives_the_text_back")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tokenizer pegboard-jamo:jamo 0.1.0\n  ✓ " in done.stdout
