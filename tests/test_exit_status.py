"""A component that leaves the process: an error, unless a signal asked for it."""

from __future__ import annotations

import pytest
from pegboard.cli.lazy import Command
from pegboard.cli.main import cli, main
from pegboard.errors import RunError


def run_command(status: int | None) -> None:
    def callback() -> None:
        raise SystemExit(status)

    Command("leave", callback=callback).main([], standalone_mode=False)


@pytest.mark.parametrize("status", [None, 0, 1, 3])
def test_leaving_is_an_error(status: int | None) -> None:
    with pytest.raises(RunError, match=r"sys\.exit"):
        run_command(status)


def test_leaving_on_sigterm_keeps_its_status() -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(143)
    assert caught.value.code == 143


def test_a_panic_of_an_extension_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class PanicException(BaseException):
        """What extensions written in Rust raise."""

    def panics(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(cli, "main", panics)
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("error: PanicException: index out of bounds\n")
