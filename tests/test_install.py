"""`pegboard plugins install`, `uninstall` and `list --requirements`."""

import json
import os
import shlex
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
from pegboard.cli import install
from pegboard.plugins.discovery import discover

PLUGIN = "pegboard.plugins.v1"


class Installer:
    """Stands in for the subprocesses: records the installer's command, and lets a test act in its place."""

    def __init__(self):
        self.commands = []
        self.status = 0
        self.act = lambda: None

    def __call__(self, command, **options):
        if command[1:3] == ["-m", "pegboard"]:  # the look at what came
            environment = {**options["env"], "PYTHONPATH": os.pathsep.join(sys.path)}
            return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        self.commands.append(command)
        self.act()
        return SimpleNamespace(returncode=self.status)


@pytest.fixture
def pip(monkeypatch):
    installer = Installer()
    monkeypatch.setattr(install, "subprocess", SimpleNamespace(run=installer))
    monkeypatch.setattr(install, "_find_pip", lambda: True)
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    return installer


@pytest.fixture
def terminal(monkeypatch):
    """`terminal("y")`: a person who answers."""

    def person(answer):
        monkeypatch.setattr(install, "_somebody_is_there", lambda: True)
        return f"{answer}\n".encode()

    return person


def remove(site, name):
    for file in (site.folder / f"{name.replace('-', '_')}-1.0.dist-info").iterdir():
        file.unlink()
    (site.folder / f"{name.replace('-', '_')}-1.0.dist-info").rmdir()


def direct_url(site, name, **origin):
    (site.folder / f"{name.replace('-', '_')}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))


class TestInstall:
    def test_says_what_arrived(self, cli, pip, site, component):
        pip.act = lambda: site.add("dashes", component("tokenizer", "dash"))
        done = cli("plugins", "install", "dashes")
        assert pip.commands == [[sys.executable, "-m", "pip", "install", "dashes"]]
        assert f"$ {shlex.join(pip.commands[0])}" in done.err
        assert done.code == 0
        assert [line.split()[:5] for line in done.out.splitlines()[1:]] == [
            ["dash", "tokenizer", "dashes", "1.0", "ok"]
        ]

    def test_flags(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))
        assert cli("plugins", "install", "-U", "-e", "./dashes", "./dots").code == 0
        assert pip.commands[0][3:] == ["install", "--upgrade", "--editable", "./dashes", "--editable", "./dots"]

    def test_a_new_version_has_arrived(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))

        def upgrade():
            remove(site, "dashes")
            site.add("dashes", component("tokenizer", "dash"), version="2.0")

        pip.act = upgrade
        assert "2.0" in cli("plugins", "install", "--upgrade", "./somewhere/dashes").out

    @pytest.mark.parametrize("name", ["dashes", "Dashes>=1", "dashes[fast]==1.0", "dashes @ file:///x/dashes.whl"])
    def test_what_was_there_is_shown_as_well(self, cli, pip, site, component, name):
        site.add("dashes", component("tokenizer", "dash"))
        assert "dash " in cli("plugins", "install", name).out

    def test_a_folder_is_known_by_where_it_came_from(self, cli, pip, site, component, tmp_path):
        site.add("dashes", component("tokenizer", "dash"))
        direct_url(site, "dashes", url=(tmp_path / "a b").as_uri(), dir_info={"editable": True})
        assert "dash " in cli("plugins", "install", "-e", tmp_path / "a b").out

    def test_the_installers_status(self, cli, pip):
        pip.status = 2
        done = cli("plugins", "install", "dashes", "dots")
        assert (done.code, done.out) == (1, "")
        assert "error: dashes, dots could not be installed: the installer ended with status 2" in done.err

    def test_a_package_that_is_no_plugin(self, cli, pip, site):
        site.metadata("letters", "")
        done = cli("plugins", "install", "letters")
        assert (done.code, done.out) == (0, "")
        assert "warning: letters is installed, but it is no plugin" in done.err

    def test_nothing_has_arrived(self, cli, pip):
        done = cli("plugins", "install", "./nowhere")
        assert (done.code, done.out) == (0, "")
        assert "warning: no plugin has arrived" in done.err

    def test_a_broken_one(self, cli, pip, site):
        pip.act = lambda: site.add("dashes", "import no_such_module_at_all")
        done = cli("plugins", "install", "dashes")
        assert done.code == 3
        assert "no_such_module_at_all" in done.out
        assert "error: installed, but dashes can't be used" in done.err

    def test_a_disabled_one(self, cli, pip, site, component, monkeypatch):
        monkeypatch.setenv("PEGBOARD_DISABLE", "dashes")
        pip.act = lambda: site.add("dashes", component("tokenizer", "dash"))
        done = cli("plugins", "install", "dashes")
        assert done.code == 0
        assert "warning: dashes is disabled: pegboard plugins enable dashes" in done.err

    @pytest.mark.parametrize("arguments", [["--", "--index-url"], ["--", "-e"], [""], [" "], []])
    def test_options_are_not_passed_on(self, cli, pip, arguments):
        assert cli("plugins", "install", *arguments).code == 2
        assert not pip.commands


class TestInstaller:
    def test_uv_where_there_is_no_pip(self, cli, pip, site, component, monkeypatch):
        monkeypatch.setattr(install, "_find_pip", lambda: False)
        monkeypatch.setattr(install.shutil, "which", lambda name: f"/bin/{name}")
        assert install.installer("install") == ["/bin/uv", "pip", "install", "--python", sys.executable]
        site.add("dashes", component("tokenizer", "dash"))
        pip.act = lambda: remove(site, "dashes")
        assert cli("plugins", "uninstall", "dashes", "--yes").code == 0
        assert pip.commands == [["/bin/uv", "pip", "uninstall", "--python", sys.executable, "dashes"]]

    @pytest.mark.parametrize(
        ("made_by_uv", "on_path", "program"), [(True, True, "uv"), (True, False, "pip"), (False, True, "pip")]
    )
    def test_uv_where_it_made_the_environment(self, pip, monkeypatch, tmp_path, made_by_uv, on_path, program):
        monkeypatch.setattr(install.shutil, "which", lambda name: f"/bin/{name}" if on_path else None)
        monkeypatch.setattr(install.sys, "prefix", str(tmp_path))
        (tmp_path / "pyvenv.cfg").write_text("home = /bin\n" + ("uv = 0.9\n" if made_by_uv else ""))
        by_uv, by_pip = ["/bin/uv", "pip", "install"], [sys.executable, "-m", "pip", "install"]
        assert install.installer("install")[: 3 + (program == "pip")] == (by_uv if program == "uv" else by_pip)

    @pytest.mark.parametrize(("made_by_uv", "hint"), [(True, "put uv on the PATH"), (False, "-m ensurepip")])
    def test_neither(self, cli, pip, made_by_uv, hint, tmp_path, monkeypatch):
        monkeypatch.setattr(install, "_find_pip", lambda: False)
        monkeypatch.setattr(install.shutil, "which", lambda name: None)
        monkeypatch.setattr(install.sys, "prefix", str(tmp_path))
        (tmp_path / "pyvenv.cfg").write_text("home = /bin\n" + ("uv = 0.9\n" if made_by_uv else "uvx = 1\n"))
        done = cli("plugins", "install", "dashes")
        assert done.code == 1
        assert f"there is no pip in {tmp_path}" in done.err
        assert hint in done.err

    def test_one_that_cannot_be_started(self, cli, monkeypatch):
        monkeypatch.setattr(install, "installer", lambda verb: ["/no/such/program", verb])
        done = cli("plugins", "install", "dashes")
        assert done.code == 1
        assert "/no/such/program can't be started: No such file" in done.err


class TestUninstall:
    def test_yes(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))
        pip.act = lambda: remove(site, "dashes")
        done = cli("plugins", "uninstall", "Dashes", "dashes", "--yes")
        assert pip.commands == [[sys.executable, "-m", "pip", "uninstall", "--yes", "dashes"]]
        assert (done.code, done.out) == (0, "removed dashes\n")

    @pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
    def test_asks(self, cli, pip, site, component, terminal, answer, code):
        site.add("dashes", component("tokenizer", "dash"))
        pip.act = lambda: remove(site, "dashes")
        done = cli("plugins", "uninstall", "dashes", stdin=terminal(answer))
        assert done.code == code
        assert len(pip.commands) == (not code)
        assert "Remove dashes?" in done.err

    def test_nobody_to_ask(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))
        done = cli("plugins", "uninstall", "dashes", stdin=b"y\n")
        assert done.code == 2
        assert "give --yes" in done.err
        assert not pip.commands

    @pytest.mark.parametrize("code", ["raise SystemExit(3)", "import no_such_module", "1 +", "while True: pass"])
    def test_a_broken_plugin_goes_unseen(self, cli, pip, site, code):
        module = site.add("dashes", code)
        pip.act = lambda: remove(site, "dashes")
        assert cli("plugins", "uninstall", "dashes", "--yes").code == 0
        assert module not in sys.modules

    @pytest.mark.parametrize("lines", [f"[{PLUGIN}]\nx = not a module\n", "[pegboard.plugins.v9]\nx = y\n"])
    def test_malformed_metadata_and_other_hook_apis(self, cli, pip, site, lines):
        site.metadata("dashes", lines)
        pip.act = lambda: remove(site, "dashes")
        assert cli("plugins", "uninstall", "dashes", "--yes").code == 0

    def test_the_name_of_the_entry_point(self, cli, pip, site):
        site.metadata("dashes", f"[{PLUGIN}]\ndot = dots\n")
        pip.act = lambda: remove(site, "dashes")
        assert cli("plugins", "uninstall", "dot", "--yes").out == "removed dashes\n"

    def test_an_ambiguous_name(self, cli, pip, site):
        site.metadata("one", f"[{PLUGIN}]\ndot = one\n")
        site.metadata("two", f"[{PLUGIN}]\ndot = two\n")
        done = cli("plugins", "uninstall", "dot", "--yes")
        assert done.code == 2
        assert "name one: one or two" in done.err

    @pytest.mark.parametrize(
        ("name", "code", "message"),
        [
            ("pegboard", 2, "that is the toolkit itself"),
            ("PegBoard", 2, "that is the toolkit itself"),
            ("click", 2, "is installed, but it is no plugin of Pegboard\n  -> pip uninstall click"),
            ("dashs", 3, "no plugin 'dashs' is installed\n  -> did you mean dashes"),
            ("../x", 3, "no plugin '../x' is installed"),
            ("", 2, "is no package"),
        ],
    )
    def test_refuses(self, cli, pip, site, component, name, code, message):
        site.add("dashes", component("tokenizer", "dash"))
        done = cli("plugins", "uninstall", "dashes", name, "--yes")
        assert (done.code, done.out) == (code, "")
        assert message in done.err
        assert not pip.commands

    def test_what_the_installer_does_not_see(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))
        done = cli("plugins", "uninstall", "dashes", "--yes")
        assert (done.code, done.out) == (1, "")
        assert "dashes is still there" in done.err

    def test_the_installers_status(self, cli, pip, site, component):
        site.add("dashes", component("tokenizer", "dash"))
        pip.status = 1
        done = cli("plugins", "uninstall", "dashes", "--yes")
        assert done.code == 1
        assert "dashes could not be removed" in done.err


class TestRequirements:
    @pytest.mark.parametrize(
        ("origin", "line"),
        [
            ({}, "dashes==1.0"),
            ({"url": "file:///a%20b", "dir_info": {"editable": True}}, "-e file:///a%20b"),
            ({"url": "file:///a", "dir_info": {}}, "dashes @ file:///a"),
            (
                {"url": "https://x.org/r.git", "vcs_info": {"vcs": "git", "commit_id": "ab1"}, "subdirectory": "p"},
                "dashes @ git+https://x.org/r.git@ab1#subdirectory=p",
            ),
            (
                {"url": "file:///d.whl", "archive_info": {"hash": "sha256=ab", "hashes": {"md5": "1", "sha256": "ab"}}},
                "dashes @ file:///d.whl#sha256=ab",
            ),
            ({"url": "file:///d.whl", "archive_info": {"hash": "sha256=ab"}}, "dashes @ file:///d.whl#sha256=ab"),
            ({"url": "file:///d.whl", "archive_info": 3}, "dashes==1.0"),
        ],
    )
    def test_where_it_came_from(self, cli, site, origin, line):
        module = site.add("dashes", "raise SystemExit")
        if origin:
            direct_url(site, "dashes", **origin)
        done = cli("plugins", "list", "--requirements")
        assert done.code == 0
        assert line in done.out.splitlines()
        assert module not in sys.modules

    def test_pip_reads_it(self, cli, toy, tmp_path):
        parse = pytest.importorskip("pip._internal.req.req_file").parse_requirements
        session = pytest.importorskip("pip._internal.network.session").PipSession()
        text = cli("plugins", "list", "--requirements", "--plugin", toy).out
        assert "# one-file plugin, not for pip" in text
        file = tmp_path / "requirements.txt"
        file.write_text(text)
        assert len(list(parse(str(file), session))) == len({entry.distribution for entry in discover()})

    @pytest.mark.parametrize("option", ["--json", "--kind=tokenizer"])
    def test_no_other_form(self, cli, option):
        assert cli("plugins", "list", "--requirements", option).code == 2


def wheel(folder, component):
    """A tiny wheel with one plugin."""
    file = folder / "tiny_dashes-1.0-py3-none-any.whl"
    info = "tiny_dashes-1.0.dist-info"
    contents = {
        "tiny_dashes.py": component("tokenizer", "dash"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-dashes\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{PLUGIN}]\ntiny = tiny_dashes\n",
    }
    record = "".join(f"{name},,\n" for name in (*contents, f"{info}/RECORD"))
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in {**contents, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return file


@pytest.mark.slow
def test_for_real(tmp_path, component, environment_in):
    """A wheel into an environment of its own, which sees this one's packages."""
    run = environment_in(tmp_path / "environment")

    def pegboard(*arguments):
        done = run("pegboard", "plugins", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    installed = pegboard("install", str(wheel(tmp_path, component)))
    assert [line.split()[:5] for line in installed.splitlines()[1:]] == [
        ["dash", "tokenizer", "tiny-dashes", "1.0", "ok"]
    ]
    assert "tiny-dashes @ file://" in pegboard("list", "--requirements")
    assert pegboard("uninstall", "tiny", "--yes") == "removed tiny-dashes\n"
    assert "tiny-dashes" not in pegboard("list")
