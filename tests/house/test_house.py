"""The house holds: folders, wheel, layers, sizes, doctests, front door."""

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from statistics import median

import pytest

import theracast
from theracast.provenance import code_digest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = {"core": "theracast", **{f: f"theracast.{f}" for f in ("features", "models", "predict")}}


def sources():
    """Each file of the package with its place in the wheel; no caches."""
    for folder, name in ROOMS.items():
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file, f"{name.replace('.', '/')}/{file.relative_to(ROOT / folder).as_posix()}"


#: From the folders: pkgutil sees only core/ in an editable install.
MODULES = sorted(
    p.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for _, p in sources() if p[-3:] == ".py"
)


#: mlflow, when pyfunc is first imported: any column of any type is what we mean, our own contract checks more.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*Any type hint is inferred as AnyType:UserWarning")


def as_installed(folder):
    """Copy the rooms as they stand once installed."""
    for file, place in sources():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / place)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


# ---------------------------------------------------------------- packages and wheel


def test_the_code_digest_covers_every_module(monkeypatch):
    """A champion is reused only while the code is the same: all of it, also where the install is editable."""
    read = []
    monkeypatch.setattr("theracast.provenance.sha256_file", lambda p: read.append(Path(p).resolve()) or "0")
    code_digest()
    wanted = {f.resolve() for f, _ in sources() if f.suffix == ".py" and f.name != "__init__.py"}
    assert wanted <= set(read)


def test_the_packages_are_the_folders():
    found = {place.rsplit("/", 1)[0].replace("/", ".") for _, place in sources() if place.endswith("/__init__.py")}
    assert set(CONFIG["tool"]["setuptools"]["packages"]) == found
    assert CONFIG["tool"]["setuptools"]["package-dir"] == {v: k for k, v in ROOMS.items()}


def test_the_wheel_holds_everything_and_nothing_else(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for folder in ROOMS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", CONFIG["project"]["readme"], *CONFIG["project"]["license-files"]):
        shutil.copy(ROOT / name, tree)
    setuptools = importlib.metadata.version("setuptools")
    # an old setuptools cannot read this pyproject: then pip fetches the one that it asks for
    isolation = ["--no-build-isolation"] if int(setuptools.split(".")[0]) >= 77 else []
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation, "-w", str(tmp_path / "out"), "."]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert held == {place for _, place in sources()}
    assert "theracast/py.typed" in held
    assert any(n.startswith("theracast/features/data/") and n.endswith(".parquet") for n in held)
    assert wheel.stat().st_size < 7e6


# ---------------------------------------------------------------- what is said is true


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(module, optionflags=flags, report=True)
    assert failed == 0


def public(module):
    """Functions and classes that a module defines, and the methods of its classes."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            yield name, thing
            for inner, method in vars(thing).items():
                method = getattr(method, "__func__", method)
                if not inner.startswith("_") and inspect.isfunction(method):
                    yield f"{name}.{inner}", method


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_an_example(name):
    commands = {"demo", "indications", "datasets", "train", "score", "report", "explain", "models", "top"}
    commands |= {"blocks", "check", "build", "fetch", "list_sources", "rank", "serve", "packet", "verify", "next_test"}
    commands |= {"card", "monitor", "experiment"}
    # their examples are in the README and --help
    exempt = commands if name.startswith("theracast.predict.cli") else set()
    without = [
        n
        for n, thing in public(importlib.import_module(name))
        if n not in exempt and "Examples\n" not in (inspect.getdoc(thing) or "")
    ]
    assert without == []


def test_the_front_door_is_frozen():
    assert theracast.__all__ == [
        "__version__",
        "BLOCKS",
        "Cohort",
        "Experiment",
        "FeatureAssembler",
        "FeatureMatrix",
        "INDICATIONS",
        "Predictor",
        "ResponseModel",
        "SelectionModel",
        "TherapySelector",
        "datasets",
        "load_cohort",
        "read_cohort",
        "train",
    ]
    assert all(getattr(theracast, name) is not None for name in theracast.__all__)
    assert dir(theracast) == sorted(theracast.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = theracast.nothing


# ---------------------------------------------------------------- layers


def lint(folder):
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [tool, "--config", "pyproject.toml", "--no-cache"], cwd=folder, capture_output=True, text=True
    )


def test_the_layers_hold(tmp_path):
    done = lint(as_installed(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONFIG['tool']['importlinter']['contracts'])} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("features/spec.py", "import theracast.predict.cli", "Arrows only point down"),
        (
            "features/blocks/mutations.py",
            "from theracast.features.blocks.clinical import ClinicalBlock",
            "Blocks never import blocks",
        ),
        ("kernels/enrichment.py", "import pandas", "Kernels know arrays, not tables"),
        ("models/fusion.py", "import mlflow", "Features and models know no servers, stores or pages"),
    ],
)
def test_the_layers_bite(tmp_path, file, line, contract):
    planted = as_installed(tmp_path) / "theracast" / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


# ---------------------------------------------------------------- sizes and imports


def lines(file):
    return len(file.read_text(encoding="utf-8").splitlines())


def code_lines(file):
    """Lines outside docstrings."""
    text = file.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body[0] for node in ast.walk(ast.parse(text)) if isinstance(node, documented) and node.body]
    strings = [b for b in bodies if isinstance(b, ast.Expr) and isinstance(getattr(b.value, "value", None), str)]
    return len(text.splitlines()) - sum(b.end_lineno - b.lineno + 1 for b in strings)


def test_no_file_holds_two_rooms():
    everywhere = [
        f
        for folder in (*ROOMS, "tests", "experiments", "notebooks", "benchmarks")
        for f in (ROOT / folder).rglob("*.py")
        if "golden" not in f.parts
    ]
    assert {str(f.relative_to(ROOT)): lines(f) for f in everywhere if lines(f) > 400} == {}
    package = [code_lines(f) for f, _ in sources() if f.suffix == ".py" and f.name != "__init__.py"]
    assert median(package) <= 120, "docstrings aside: every public function must have a long one"


@pytest.mark.parametrize(
    "code",
    [
        "import theracast",
        "import sys; sys.argv = ['theracast', '--help']\nfrom theracast.predict.cli import main\n"
        "try: main()\nexcept SystemExit: pass",
    ],
)
def test_the_door_opens_lightly(code):
    heavy = "mlflow", "shap", "matplotlib", "xgboost"
    ask = f"{code}\nimport sys\nprint('|', *[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.rsplit("|", 1)[1].split() == []
