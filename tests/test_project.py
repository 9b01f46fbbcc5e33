"""The project around the library: packaging, the floors of the house, links, versions, checksums."""

import ast
import hashlib
import importlib.util
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import jaxtyping
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import smatch_edu
from smatch_edu.exact.divergences import get_divergence

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# Floors: the house as data. A module imports only from floors below its own.

FLOORS = {
    "__init__": -2,
    **dict.fromkeys(("arrays", "files", "tables"), -1),  # what floor 0 itself stands on
    "course": 0,
    **dict.fromkeys(("divergences", "figure1", "vocabulary"), 0),
    **dict.fromkeys(("mdp", "trajectories"), 1),
    "soft_values": 1.5,  # on the mdp, under its solvers
    "problem": 1.6,  # what tabular states
    "solvers": 1.7,  # and how it is solved
    "flex": 1.5,  # attention on CUDA, under the transformer
    **dict.fromkeys(("tabular", "objectives", "transformer"), 2),
    "summary": 2.5,
    "decoding": 2.5,  # the cache, and a fast step through the transformer
    "compiled": 2.6,  # the step in C
    "board": 2.75,  # the texts of a batch, on the cache, under who chooses what is typed
    **dict.fromkeys(("generation", "neural", "replay", "tasks"), 3),
    "metrics": 3.5,  # judges what was generated for a task
    "config": 3.6,  # what a run can be told
    "updates": 4,  # what it does, once
    "evaluation": 4.2,  # what it has learned to answer
    "training": 4.5,  # again and again, and what it leaves on disk
    **dict.fromkeys(("huggingface", "experiments", "walkthrough", "comparison"), 5),
    "report": 6,  # the walkthrough's page
    "cli": 7,  # the door: it opens on everything
    "__main__": 8,
}
# Side rooms: what they may import lies below the first floor, who may import them lies above the second.
SIDE_ROOMS = {"plots": (3, 4), "figures": (3, 4), "show": (3, 4), "checks": (6, 5)}
DOORS = {("show", "plots"), ("figures", "plots")}  # all wear the same colours
IMPORTS_BELOW = FLOORS | {room: below for room, (below, _) in SIDE_ROOMS.items()}
IMPORTED_ABOVE = FLOORS | {room: above for room, (_, above) in SIDE_ROOMS.items()}


def room_of(path: Path) -> str:
    """smatch_edu/tasks/arithmetic.py and smatch_edu/tasks/__init__.py are both in the room `tasks`."""
    return path.relative_to("smatch_edu").with_suffix("").parts[0]


def imported_rooms(path: Path, source: str) -> set[str]:
    """The rooms that a module imports from anywhere in its text, inside functions and for type checking too."""
    package = ".".join(path.parent.parts)
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            if top == "smatch_edu":
                rooms.add(rest[0] if rest and rest[0] in IMPORTED_ABOVE else unlisted(rest))
    return rooms


def unlisted(rest: list[str]) -> str:
    """A module that is in no table keeps its name; `from smatch_edu import __version__` is the package itself."""
    is_module = rest and any((ROOT / "smatch_edu" / rest[0]).with_suffix(end).exists() for end in ("", ".py"))
    return rest[0] if is_module else "__init__"


def floor_errors(path: Path, source: str) -> list[str]:
    """What is wrong with a module's imports, in words."""
    room = room_of(path)
    if room not in IMPORTS_BELOW:
        return [f"{path}: {room!r} is on no floor; give it one in tests/test_project.py and in README.md"]
    below = IMPORTS_BELOW[room]
    return [
        f"{path} imports {other!r} of floor {IMPORTED_ABOVE.get(other)}; it may import only from floors below {below}"
        for other in sorted(imported_rooms(path, source) - {room})
        if (room, other) not in DOORS and not IMPORTED_ABOVE.get(other, math.inf) < below
    ]


def test_every_module_imports_only_from_floors_below():
    paths = sorted((ROOT / "smatch_edu").rglob("*.py"))
    errors = [e for p in paths for e in floor_errors(p.relative_to(ROOT), p.read_text(encoding="utf-8"))]
    assert paths and not errors, "\n".join(errors)


@pytest.mark.parametrize(
    ("path", "source", "allowed"),
    [
        ("tabular.py", "from smatch_edu.exact.mdp import StringMDP", True),
        ("tabular.py", "from smatch_edu import mdp, __version__", True),
        ("tabular.py", "def late():\n    import smatch_edu.training.loop", False),
        ("tabular.py", "from smatch_edu import training", False),
        ("tabular.py", "from .objectives import likelihood", False),  # the same floor
        ("tabular.py", "from . import plots", False),
        ("tasks/arithmetic.py", "from .text import Text; from ..vocabulary import Vocabulary", True),
        ("tasks/arithmetic.py", "from ..training import train", False),
        ("plots.py", "from smatch_edu.exact.tabular import minimise_divergence", True),
        ("plots.py", "from smatch_edu.training.metrics import entropy", False),
        ("show.py", "from smatch_edu.pictures import plots", True),
        ("plots.py", "from smatch_edu.pictures import show", False),
        ("updates.py", "from smatch_edu.pictures.plots import curve", False),
        ("walkthrough.py", "from smatch_edu.pictures.plots import curve", True),
        ("walkthrough.py", "from smatch_edu import checks", False),
        ("cli.py", "from smatch_edu import checks", True),
        ("__init__.py", "from smatch_edu.support.arrays import as_tensor", False),
        ("attic.py", "", False),
    ],
)
def test_the_floor_check_sees(path, source, allowed):
    assert bool(floor_errors(Path("smatch_edu") / path, source)) != allowed


# Packaging


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; its whole output if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without the network from a copy, so that the working tree stays as it is."""
    copy, built = tmp_path_factory.mktemp("copy") / "project", tmp_path_factory.mktemp("wheel")
    not_source = shutil.ignore_patterns(
        ".git", ".*_cache", ".hypothesis", "*venv*", "__pycache__", "learn", "build", "dist"
    )
    shutil.copytree(ROOT, copy, ignore=not_source)
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, "-m", "pip", "wheel", ".", *offline, "--wheel-dir", built, cwd=copy)
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_the_library_and_its_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        words = archive.read("smatch_edu/_data/words.tsv")
    assert words == (ROOT / "data" / "words.tsv").read_bytes()
    sources = [path for end in ("py", "c") for path in (ROOT / "smatch_edu").rglob(f"*.{end}")]
    modules = {path.relative_to(ROOT).as_posix() for path in sources}
    assert modules and modules <= names
    assert "smatch_edu/py.typed" in names
    read = [ROOT / "data" / "words.tsv", *(ROOT / "data" / "arithmetic").glob("*.tsv")]
    read += [path for path in (ROOT / "data" / "checkpoints").rglob("*") if path.is_file()]
    shipped = {f"smatch_edu/_data/{path.relative_to(ROOT / 'data').as_posix()}" for path in read}
    assert {name for name in names if name.startswith("smatch_edu/_data/")} == shipped
    assert all(name.startswith("smatch_edu/") for name in names)


def test_an_installed_wheel_works_away_from_the_repository(wheel, tmp_path):
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # Third-party packages come from here, behind the venv's own; PYTHONPATH would put them in front.
    (site / "third_party.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))

    where = "import smatch_edu; print(smatch_edu.__file__)"
    package = Path(run(python, "-I", "-c", where, cwd=tmp_path).strip()).parent
    assert package.resolve() == (site / "smatch_edu").resolve()
    assert (package / "py.typed").is_file()
    assert (package / "_data" / "words.tsv").read_bytes() == (ROOT / "data" / "words.tsv").read_bytes()
    assert "walkthrough" in run(scripts / "smatch", "--help", cwd=tmp_path)
    first = (
        "from smatch_edu.tasks import get_task; task = get_task('arithmetic'); "
        "print(task.show(task.split('test')[0].prompt))"
    )
    assert run(python, "-I", "-c", first, cwd=tmp_path).startswith("In base ")


CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}  # the latter leaves Qt out


def test_environment_yml_asks_for_what_pyproject_asks_for():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    assert {"pip": ["-e ."]} in environment["dependencies"]
    bounds = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in conda)
    assert bounds.pop("pip") == ""
    version = bounds.pop("python").lstrip("=")
    assert version in Requirement(f"python{PROJECT['requires-python']}").specifier

    wanted = map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebooks"])
    expected = {CONDA_NAMES.get(r.name, canonicalize_name(r.name)): r.specifier for r in wanted}
    assert {name: Requirement(f"x{bound}").specifier for name, bound in bounds.items()} == expected


# Words, links, numbers


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_point_at_files_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(\s*<?([^)>\s]+)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    local = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    missing = [target for target in local if not ((ROOT / page).parent / target).exists()]
    assert local and not missing, f"{page} links to {missing}"


def test_there_is_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == smatch_edu.__version__ == citation["version"]


def test_the_words_are_the_ones_that_the_data_page_describes():
    page = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"sha256 of `words\.tsv`\W+([0-9a-f]{64})", page)
    assert hashlib.sha256((ROOT / "data" / "words.tsv").read_bytes()).hexdigest() == stated


# What conftest.py promises the other tests


def test_calls_are_checked_against_their_annotations():
    with pytest.raises(jaxtyping.TypeCheckError):
        get_divergence(3)  # without the hook a ValueError


def test_no_test_can_leave_this_machine():
    for leave in (
        lambda: socket.create_connection(("example.org", 80)),
        lambda: socket.socket().connect(("192.0.2.1", 80)),
        lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.gethostbyname("example.org"),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9)),
    ):
        with pytest.raises(RuntimeError, match="no network"):
            leave()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass  # a test may talk to itself
