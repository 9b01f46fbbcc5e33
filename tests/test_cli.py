"""The door of the `smatch` command: what may go wrong with any command."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smatch_edu import __main__ as command
from smatch_edu import cli
from smatch_edu.cli import main
from smatch_edu.support.files import packaged

COMMANDS = ["", "walkthrough", "compare", "train", "generate", "evaluate", "learn", "experiment", "version"]
COMMANDS += ["experiment sweep", "experiment neural-divergence", "assignments", "grade", "check"]


def started(*arguments, **options):
    """A Python of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run([sys.executable, *arguments], env=environment, text=True, stderr=-1, timeout=300, **options)


def status_of(arguments):
    """What a command ends with, also where the parser ends it."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


def test_help_and_version_need_no_torch():
    script = f"""
import contextlib, io, sys
from smatch_edu.cli import main
for command in {COMMANDS!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main([*command.split(), *([] if command == "version" else ["--help"])])
        except SystemExit as ended:
            assert ended.code == 0, command
    assert len(out.getvalue()) > 50, command
print(sorted({{"torch", "scipy", "matplotlib"}} & set(sys.modules)))
"""
    assert started("-c", script, stdout=-1).stdout == "[]\n"


class Captured(io.TextIOWrapper):
    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    @property
    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp850", "cp1252", "latin-1", "utf-8"])
def test_no_output_fails_for_want_of_a_character(encoding, monkeypatch):
    for arguments in [one.split() for one in COMMANDS if one != "version"]:
        out = Captured(encoding)
        monkeypatch.setattr(sys, "stdout", out)
        assert status_of([*arguments, "--help"]) == 0
        assert "usage: smatch" in out.text
    streams = Captured(encoding), Captured(encoding)
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    checkpoint = ["--checkpoint", str(packaged("checkpoints", "bc"))]
    assert main(["generate", *checkpoint, "--prompt", "491+893=", "--count", "40"]) == 0
    assert ("⌫" if encoding == "utf-8" else "<backspace>") in streams[0].text and "?" not in streams[0].text
    assert main(["generate", *checkpoint, "--prompt", "⌫β"]) == 2
    assert ("⌫" if encoding == "utf-8" else "<backspace>") in streams[1].text


@pytest.mark.parametrize("columns", [1, 4, 39, 200])
def test_help_fits_any_window(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert status_of(["train", "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= max(columns, 2 * cli.NARROWEST)


@pytest.mark.parametrize("module", ["smatch_edu", "smatch_edu.cli"])
def test_the_package_and_its_command_line_can_be_run_as_modules(module):
    done = started("-m", module, "version", stdout=-1)
    assert done.stdout.startswith("smatch_edu ") and "torch 2." in done.stdout and done.returncode == 0
    assert started("-m", module, "no-such-command", stdout=-1).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("arguments", [["version"], ["train", "--help"]])
def test_a_reader_that_went_away_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        done = started("-m", "smatch_edu", *arguments, stdout=nobody)
    assert (done.returncode, done.stderr) == (cli.NO_READER, "")


def test_without_an_output_there_is_no_traceback():
    script = "import sys; sys.stdout = None; from smatch_edu.cli import main; sys.exit(main(['version']))"
    done = started("-c", script, stdout=-1)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ("evaluate --checkpoint a --checkpoint b", "--checkpoint"),
        ("experiment sweep --out t.tsv --vary seed=0,1 --vary width=16,32", "--vary"),
        ("train --out a --out=b", "--out"),
        ("train --out a --beta-steps 3 --beta_steps 4", "--beta-steps"),
        ("train --out a --fresh --no-fresh", "--fresh"),
    ],
)
def test_a_flag_that_is_given_twice_is_an_error_that_names_it(arguments, flag, capsys):
    assert main(arguments.split()) == 2
    assert f"smatch: {flag} is given 2 times" in capsys.readouterr().err


def test_an_interrupt_is_one_sentence_and_130_at_any_moment(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.signal, "signal", lambda *_: None)  # this process goes on
    monkeypatch.setattr(cli.app, "cli", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "smatch: interrupted; nothing half-written is left\n"
    monkeypatch.setattr(cli, "main", interrupted)
    assert command.main() == 130
    assert capsys.readouterr().err == "smatch: interrupted\n"
