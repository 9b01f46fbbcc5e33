"""The project around the library: packaging, the floors of the house, links, versions, checksums."""

import ast
import hashlib
import importlib
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


# The house. A folder imports only from lines above its own; in a folder, a module only from those that its front door
# (the docstring of its __init__) lists above it.

HOUSE = """
support
sandbox
exact
text
tasks network pictures
configs
training
huggingface
studies
checks
course
cli
__main__
"""
FLOORS = {room: floor for floor, line in enumerate(HOUSE.split("\n")) for room in line.split()}


def front_door(folder: str) -> list[str]:
    """The modules of a folder, in the order in which its front door lists them."""
    module = ast.parse((ROOT / "smatch_edu" / folder / "__init__.py").read_text("utf-8"))
    return re.findall(r"^ *(\w+) {2,}\S", ast.get_docstring(module, clean=False) or "", flags=re.MULTILINE)


def imported(module: str, source: str) -> set[str]:
    """The modules of the package that a module (`exact.mdp`, say) imports anywhere in its text."""
    package = ["smatch_edu", *module.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {name.removeprefix("smatch_edu.") for name in found if name.startswith("smatch_edu.")}


def misplaced_imports(module: str, source: str) -> list[str]:
    """What is wrong with a module's imports, in words."""
    folder, *inside = module.split(".")
    if folder not in FLOORS:
        return [f"smatch_edu/{folder} is on no floor; give it one in tests/test_project.py and in README.md"]
    errors = []
    for name in sorted(imported(module, source)):
        other, *rest = name.split(".")
        if other == folder:
            order = front_door(folder)
            if inside and not (rest and rest[0] in order[: order.index(inside[0])]):
                errors.append(f"{module} imports {name}, which its front door does not list above {inside[0]}")
        elif other in FLOORS and not FLOORS[other] < FLOORS[folder]:
            errors.append(f"{module} imports {name}; {folder} may import only from lines of HOUSE above its own")
        elif other not in FLOORS and other != "__version__":
            errors.append(f"{module} imports {name}, which is on no floor")
    return errors


def test_the_house_stands_as_it_is_drawn():
    package, errors = ROOT / "smatch_edu", []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts:
            errors += misplaced_imports(".".join(parts), path.read_text("utf-8"))
    for folder in sorted(path.parent for path in package.glob("*/__init__.py")):
        there = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        if sorted(front_door(folder.name)) != sorted(there):
            errors.append(f"the front door of {folder.name} lists {front_door(folder.name)}; {sorted(there)} are there")
    beside = {path.stem for path in package.glob("*.py")}
    assert not errors, "\n".join(errors)
    assert beside <= {"__init__", "__main__", "cli"}, f"{beside} lie beside the folders"


@pytest.mark.parametrize(
    ("module", "source", "stands"),
    [
        ("exact.tabular", "from smatch_edu.exact.mdp import StringMDP", True),
        ("exact.tabular", "from smatch_edu import __version__", True),
        ("exact.tabular", "from smatch_edu.exact import StringMDP", False),  # its own front door
        ("exact.mdp", "from smatch_edu.exact.tabular import objective", False),  # further down the list
        ("exact.mdp", "from .tabular import objective", False),
        ("exact.tabular", "def late():\n    import smatch_edu.training.loop", False),
        ("exact.tabular", "from smatch_edu import training", False),
        ("exact.tabular", "from ..pictures import plots", False),
        ("tasks.arithmetic", "from ..text.vocabulary import Vocabulary", True),
        ("tasks.arithmetic", "from smatch_edu.network import generate", False),  # the same line
        ("tasks", "from smatch_edu.tasks.task import Task", True),
        ("pictures.show", "from smatch_edu.pictures import plots", True),
        ("pictures.plots", "from smatch_edu.pictures import show", False),
        ("training.updates", "from smatch_edu.pictures.plots import curve", True),
        ("studies.walkthrough", "from smatch_edu import checks", False),
        ("cli", "from smatch_edu import checks", True),
        ("attic.box", "", False),
        ("cli", "from smatch_edu.attic import box", False),
    ],
)
def test_the_check_of_the_house_sees(module, source, stands):
    assert bool(misplaced_imports(module, source)) != stands


def test_every_public_name_is_there():
    for folder in FLOORS:
        if (ROOT / "smatch_edu" / folder / "__init__.py").exists() and folder != "huggingface":
            door = importlib.import_module(f"smatch_edu.{folder}")
            assert door.__all__ == sorted(door.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
            assert all(hasattr(door, name) for name in door.__all__)


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
    results = ROOT / "data" / "results"
    tables = [
        ROOT / "data" / "words.tsv",
        *results.glob("*.tsv"),
        results / "arithmetic.txt",
        results / "undemonstrated.txt",
    ]
    tables.remove(results / "keyboard_validation.tsv")
    read = [*tables, *(ROOT / "data" / "arithmetic").glob("*.tsv")]
    read += [path for path in (ROOT / "data" / "checkpoints").rglob("*") if path.is_file()]
    shipped = {f"smatch_edu/_data/{path.relative_to(ROOT / 'data').as_posix()}" for path in read}
    assert {name for name in names if name.startswith("smatch_edu/_data/")} == shipped
    assert all(name.startswith("smatch_edu/") for name in names)
    asked = {
        found
        for path in (ROOT / "notebooks").glob("*.ipynb")
        for found in re.findall(r'packaged\(\\"results\\", \\"([^"\\]+)', path.read_text(encoding="utf-8"))
    }
    assert (
        asked and {f"smatch_edu/_data/results/{name}" for name in asked} <= names
    )  # on Colab there is the wheel alone


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


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/what_is_new.md", "docs/instructor.md"])
def test_links_point_at_files_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page != "README.md" or text.count("\n") <= 150, "what is long has a page of its own"
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
