"""`smatch check`: each fault of an environment is found, and what mends it is said."""

import json
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from smatch_edu.cli import main
from smatch_edu.support import environment
from smatch_edu.support.environment import examine


def found(what):
    """What is said of one thing."""
    return next(one for one in examine() if one.what == what)


def versions(monkeypatch, **told):
    """Other versions than there are; None for a package that is not there."""
    real = environment.version

    def version(name):
        if name in told:
            if told[name] is None:
                raise PackageNotFoundError(name)
            return told[name]
        return real(name)

    monkeypatch.setattr(environment, "version", version)


def test_everything_is_looked_at_and_this_environment_runs_the_tests():
    looked_at = [one.what for one in examine()]
    assert len(set(looked_at)) == len(looked_at)
    assert {"Python", "packages", "[hf]", "data", "kernel", "threads", "C compiler", "free memory"} <= set(looked_at)
    assert found("Python").good and found("packages").good and found("data").good


def test_a_package_of_the_wrong_version_and_one_that_is_missing_are_named(monkeypatch):
    versions(monkeypatch, numpy="1.20.0", einops=None)
    assert found("numpy").good is False and "1.20.0; >=1.26 was wanted" in str(found("numpy"))
    assert "pip install 'einops>=0.8'" in found("einops").mend and "missing" in found("einops").found
    assert "packages" not in [one.what for one in examine()]


def test_an_optional_part_that_is_missing_is_no_fault(monkeypatch):
    versions(monkeypatch, transformers=None)
    assert found("[hf]").good is None and "pip install -e '.[hf]'" in found("[hf]").mend


def test_a_package_that_is_not_installed_is_said_to_be_so(monkeypatch):
    def nowhere(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "distribution", nowhere)
    assert found("smatch_edu").good is False and "pip install -e ." in found("smatch_edu").mend


@pytest.mark.parametrize(
    ("argv", "good"), [([sys.executable], True), (["python"], True), (["/other/python"], False), ([], False)]
)
def test_the_kernel_must_be_this_python(argv, good, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.sys, "prefix", str(tmp_path))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    spec = tmp_path / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": argv}))
    assert found("kernel").good is good
    assert good or "ipykernel install --sys-prefix" in found("kernel").mend


@pytest.mark.parametrize("given", ["0", "many", "4096", "-1"])
def test_threads_that_there_are_not_are_a_fault(given, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert found("threads").good is False and "export OMP_NUM_THREADS=" in found("threads").mend
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert found("threads").good


def test_without_a_compiler_it_is_only_slower(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    assert found("C compiler").good is None and "no-such-compiler" in found("C compiler").found


def test_a_full_machine_is_told_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(environment, "MEMORY", 1e9)
    assert found("free memory").good is False and "close other programs" in found("free memory").mend
    assert main(["check"]) == 2
    said = capsys.readouterr()
    assert "✗ free memory" in said.out and "→ close other programs" in said.out
    assert "behind its arrow" in said.err and said.err.count("\n") == 1


def test_where_all_is_well_it_is_said_what_would_hold_a_submission(monkeypatch, capsys):
    monkeypatch.setattr(environment, "examine", lambda: iter([environment.Finding("all", "well")]))
    assert main(["check"]) == 0
    assert "✓ all: well" in (out := capsys.readouterr().out) and "A submission would be held by: files: " in out
