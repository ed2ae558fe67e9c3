"""What is installed is found without importing it, whatever the metadata beside it look like."""

import sys
import zipfile
from importlib import metadata

import pytest
from pegboard.hookspecs import ENTRY_POINT_GROUP
from pegboard.plugins.discovery import PluginEntry, discover, normalized


def found(site):
    return discover([str(site)])


def names(site):
    return [(entry.distribution, entry.name) for entry in found(site)]


def test_several_distributions_are_listed_by_name_and_none_is_imported(site):
    site.add("zebra", "raise SystemExit", version="2.1")
    site.add("ant", "raise SystemExit")
    assert found(site) == [PluginEntry("ant", "ant", "1.0", "ant"), PluginEntry("zebra", "zebra", "2.1", "zebra")]
    assert "ant" not in sys.modules


def test_an_entry_point_may_name_an_object_and_extras(site):
    site.metadata("plug", f"[{ENTRY_POINT_GROUP}]\na = plug.inner : Thing.part [extra]\nb=plug\n")
    first, second = found(site)
    assert (first.module, first.attribute) == ("plug.inner", "Thing.part")
    assert (second.module, second.attribute) == ("plug", None)


def test_two_distributions_with_one_entry_point_name_are_both_listed(site):
    for name in ("one", "two"):
        site.metadata(name, f"[{ENTRY_POINT_GROUP}]\nchar = {name}\n")
    assert names(site) == [("one", "char"), ("two", "char")]


def test_of_a_distribution_that_is_there_twice_the_first_on_the_path_counts(site, tmp_path):
    site.metadata("my-plug", f"[{ENTRY_POINT_GROUP}]\nplug = new\n", version="2.0")
    later = tmp_path / "later"
    later.mkdir()
    type(site)(later).metadata("My.Plug", f"[{ENTRY_POINT_GROUP}]\nplug = old\n", version="1.0")
    assert [(e.module, e.version) for e in discover([str(site), str(later), str(site)])] == [("new", "2.0")]
    assert [(e.module, e.version) for e in discover([str(later), str(site)])] == [("old", "1.0")]


def test_a_distribution_without_plugins_hides_an_older_one_of_its_name(site, tmp_path):
    site.metadata("plug", "[console_scripts]\nplug = plug:main\n", version="2.0")
    later = tmp_path / "later"
    later.mkdir()
    type(site)(later).add("plug")
    assert discover([str(site), str(later)]) == []


@pytest.mark.parametrize("value", ["", "not a module", "2plug", "plug:", "plug:a:b", "plug/inner", ":thing"])
def test_a_malformed_value_is_a_problem_of_its_own_entry(site, value):
    site.metadata("bad", f"[{ENTRY_POINT_GROUP}]\nbroken = {value}\nfine = bad\n")
    site.add("good")
    broken, fine, good = found(site)
    assert broken.module is None
    assert "malformed entry point 'broken'" in broken.problem
    assert "module:object" in broken.problem
    assert fine.problem is None
    assert good == PluginEntry("good", "good", "1.0", "good")


UNREADABLE = {
    "no section": b"pegboard = plug\n",
    "a line without value": f"[{ENTRY_POINT_GROUP}]\nplug\n".encode(),
    "a name twice": f"[{ENTRY_POINT_GROUP}]\nplug = a\nplug = b\n".encode(),
    "a section twice": f"[{ENTRY_POINT_GROUP}]\na = a\n[{ENTRY_POINT_GROUP}]\nb = b\n".encode(),
    "not UTF-8": f"[{ENTRY_POINT_GROUP}]\npl\xfcg = plug\n".encode("latin-1"),
    "binary": b"pegboard\x00\xff\xfe\x80",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_plugins_file_that_cant_be_parsed_hides_nobody_and_is_reported(site, content):
    site.add("good")
    site.metadata("third-party", content, version="3.0")
    good, bad = found(site)
    assert good == PluginEntry("good", "good", "1.0", "good")
    assert (bad.distribution, bad.version, bad.module) == ("third-party", "3.0", None)
    assert bad.problem.startswith("its entry_points.txt can't be read: ")
    assert "\n" not in bad.problem


def test_a_file_that_cant_be_parsed_and_is_no_plugins_is_none_of_our_business(site):
    site.add("good")
    site.metadata("other", b"\xff\xfe nonsense")
    assert names(site) == [("good", "good")]


def test_what_one_file_says_does_not_come_up_in_the_next(site):
    site.metadata("first", f"[DEFAULT]\nghost = first\n[{ENTRY_POINT_GROUP}]\nfirst = first\n")
    site.metadata("half", f"[{ENTRY_POINT_GROUP}]\nhalf = half\nnonsense\n")
    site.add("second")
    assert [(e.distribution, e.name, bool(e.problem)) for e in found(site)] == [
        ("first", "first", False),
        ("half", "half", True),
        ("second", "second", False),
    ]


def test_a_file_that_may_not_be_read_is_a_problem_only_of_what_sounds_like_a_plugin(site, monkeypatch):
    site.add("good")
    for name in ("pegboard-secret", "secret"):
        site.metadata(name, f"[{ENTRY_POINT_GROUP}]\n")
        (site.folder / f"{name.replace('-', '_')}-1.0.dist-info" / "entry_points.txt").unlink()
        (site.folder / f"{name.replace('-', '_')}-1.0.dist-info" / "entry_points.txt").mkdir()
    good, secret = found(site)
    assert (good.distribution, good.problem) == ("good", None)
    assert secret.distribution == "pegboard-secret"
    assert secret.problem.startswith("its entry_points.txt can't be read: ")


@pytest.mark.parametrize("kind", ["zip", "egg"])
def test_a_distribution_in_an_archive_is_found(site, tmp_path, kind):
    where = "EGG-INFO" if kind == "egg" else "packed-1.0.dist-info"
    archive = tmp_path / ("packed-1.0-py3.11.egg" if kind == "egg" else "packed.zip")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(f"{where}/entry_points.txt", f"[{ENTRY_POINT_GROUP}]\npacked = packed\n")
        opened.writestr(f"{where}/PKG-INFO", "Metadata-Version: 2.1\nName: packed\nVersion: 1.0\n")
    site.add("good")
    entries = discover([str(archive), str(site)])
    assert [(e.distribution, e.version, e.module) for e in entries] == [
        ("good", "1.0", "good"),
        ("packed", "1.0", "packed"),
    ]


def test_a_damaged_zip_file_on_the_path_hides_nobody(site):
    good = site.folder / "good.zip"
    good.write_bytes(b"PK\x05\x06" + bytes(18) + b"trailing junk")
    site.add("good")
    assert [entry.name for entry in discover([str(good), str(site)])] == ["good"]


def test_a_path_may_hold_anything(site, tmp_path):
    site.add("good")
    (tmp_path / "file").touch()
    path = ["", str(tmp_path / "missing"), str(tmp_path / "file"), site.folder, "\0"]
    assert [entry.name for entry in discover(path)] == ["good"]


@pytest.mark.parametrize(
    ("api", "age", "mend"), [(0, "older", "upgrade plug"), (2, "newer", "upgrade pegboard"), (10, "newer", "upgrade")]
)
def test_another_hook_api_is_incompatible_and_says_what_to_upgrade(site, api, age, mend):
    site.add("plug", group=f"pegboard.plugins.v{api}")
    [entry] = found(site)
    assert entry.incompatible
    assert entry.module is None
    assert f"the {age} hook API {api}, this Pegboard has 1: {mend}" in entry.problem


def test_a_distribution_may_serve_several_hook_apis(site):
    site.metadata("plug", f"[pegboard.plugins.v2]\nplug = plug.v2\n[{ENTRY_POINT_GROUP}]\nplug = plug.v1\n")
    assert [(e.module, e.problem) for e in found(site)] == [("plug.v1", None)]


@pytest.mark.parametrize(
    "group", ["pegboard", "pegboard.plugins", "pegboard.plugin", "pegboard.plugin.v1", "pegboard_plugins.v1"]
)
def test_a_group_that_was_meant_for_us_is_named(site, group):
    site.add("plug", group=group)
    [entry] = found(site)
    assert not entry.incompatible
    assert f"its entry-point group is {group!r}, it must be 'pegboard.plugins.v1'" in entry.problem


@pytest.mark.parametrize("group", ["pegboardgame.plugins", "console_scripts", "pytest11", "my.pegboard.plugins.v1"])
def test_other_groups_are_none_of_our_business(site, group):
    site.add("plug", group=group)
    assert found(site) == []


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("my_fine_plug-1.2.dist-info", "My_Fine.Plug", "1.2"),
        ("my-fine-plug-1.2.dist-info", "my-fine-plug", "1.2"),
        ("my_fine_plug.egg-info", "my_fine_plug", "0.9.dev1+local"),
        ("my_fine_plug-1.2-py3.11.egg-info", "my-fine-plug", "1.2"),
        ("my-fine-plug.egg-info", "my-fine-plug", "1.2"),
    ],
)
def test_name_and_version_are_right_however_the_folder_is_called(site, folder, name, version):
    site.metadata("my-other-plug", "[x]\ny = z\n", version="7.0")
    site.metadata(name, f"[{ENTRY_POINT_GROUP}]\nplug = plug\n", version=version, folder=folder)
    assert [(e.distribution, e.version) for e in found(site)] == [("my-fine-plug", version)]


def test_what_an_interrupted_pip_leaves_behind_is_not_installed(site):
    site.metadata("plug", f"[{ENTRY_POINT_GROUP}]\nplug = plug\n", folder="~lug-1.0.dist-info")
    assert found(site) == []


@pytest.mark.parametrize("name", ["My_Plug", "my.plug", "MY--PLUG", "my-._plug"])
def test_names_are_normalized_as_packaging_does(name):
    from packaging.utils import canonicalize_name

    assert normalized(name) == canonicalize_name(name) == "my-plug"


def test_the_scan_agrees_with_importlib_metadata_on_this_environment():
    expected = {
        (point.name, normalized(point.dist.name), point.dist.version, point.module, point.attr or None)
        for point in metadata.entry_points(group=ENTRY_POINT_GROUP)
    }
    ours = {(e.name, e.distribution, e.version, e.module, e.attribute) for e in discover() if e.problem is None}
    assert ours == expected


def test_the_scan_agrees_with_importlib_metadata_on_many_distributions(site, monkeypatch):
    for number in range(30):
        site.add(f"plug-{number}.x", version=f"{number}.0rc1")
    site.metadata("scripts", "[console_scripts]\nscripts = a:b\n")
    monkeypatch.setattr(sys, "path", [str(site)])
    points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    expected = {(point.name, normalized(point.dist.name), point.dist.version, point.module) for point in points}
    assert len(expected) == 30
    assert {(e.name, e.distribution, e.version, e.module) for e in discover()} == expected
