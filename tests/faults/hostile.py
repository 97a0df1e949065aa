"""What strangers may put into a model's folder, or around it, and how each is to be refused."""

import copy
import gzip
import io
import json
import os
import pickle
import time
import zipfile

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from theracast.errors import ModelError
from theracast.models.storage import load_model
from theracast.provenance import sha256_file

#: Seconds that any refusal may take: a hundredth of it on an idle machine.
PATIENCE = 60.0


CONTENTS = ("model.json", "golden.json", "schema.json")


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (os.mkdir, (str(self.canary),))


def signed(folder):
    """Write the manifest anew: a stranger can."""
    names = [f.name for f in folder.iterdir() if f.name != "manifest.json"]
    (folder / "manifest.json").write_text(json.dumps({n: sha256_file(folder / n) for n in names}))
    return folder


def refused(folder, code="THX-R0[5-9]", load=load_model):
    begin = time.monotonic()
    with pytest.raises(ModelError, match=code) as caught:
        load(folder)
    assert time.monotonic() - begin < PATIENCE
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) < 2000
    return str(caught.value)


def pickled(canary):
    return pickle.dumps(Bomb(canary))


def joblibbed(canary):
    buffer = io.BytesIO()
    joblib.dump({"model": Bomb(canary), "array": np.zeros(3)}, buffer)
    return buffer.getvalue()


def numpied(canary):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def skopsed(canary):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", '{"__class__": "mkdir", "__module__": "os", "__loader__": "ReduceNode"}')
        archive.writestr("../../canary", "slipped")
        archive.writestr(str(canary), "slipped")
    return buffer.getvalue()


def zip_bomb(_canary):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", b" " * 50_000_000)
    return buffer.getvalue()


def gzip_bomb(_canary):
    return gzip.compress(b" " * 50_000_000)


def yaml_tag(canary):
    return f"!!python/object/apply:os.mkdir ['{canary}']\n".encode()


def yaml_bomb(_canary):
    return b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 121))


PAYLOADS = [pickled, joblibbed, numpied, skopsed, zip_bomb, gzip_bomb, yaml_tag, yaml_bomb]


def loader_module(place, canary):
    (place / "evil.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    (place / "MLmodel").write_text("flavors: {python_function: {loader_module: evil, code: '.', data: evil.py}}\n")


def other_script(place, canary):
    (place / "pyfunc.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    (place / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: mlflow.pyfunc.model, model_code_path: pyfunc.py}}\n"
    )


def code_paths(place, canary):
    (place / "code" / "theracast").mkdir(parents=True)
    (place / "code" / "theracast" / "__init__.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    (place / "MLmodel").write_text("flavors: {python_function: {loader_module: mlflow.pyfunc.model, code: code}}\n")


def python_model(place, canary):
    (place / "python_model.pkl").write_bytes(pickled(canary))
    (place / "MLmodel").write_text(
        "flavors: {python_function: {loader_module: mlflow.pyfunc.model, python_model: python_model.pkl}}\n"
    )


def mlmodel_tag(place, canary):
    (place / "MLmodel").write_bytes(yaml_tag(canary))


def mlmodel_bomb(place, canary):
    (place / "MLmodel").write_bytes(yaml_bomb(canary))


def requirements(place, canary):
    (place / "requirements.txt").write_text(f"evil @ file://{place}/evil\n-e .\n")
    (place / "setup.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")


AROUND = [loader_module, other_script, code_paths, python_model, mlmodel_tag, mlmodel_bomb, requirements]


def deep(_state):
    return b"[" * 100_000 + b"]" * 100_000


def deep_objects(_state):
    return b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def many_digits(_state):
    return b'{"format": ' + b"9" * 10_000_000 + b"}"


def twice(state):
    first = next(iter(state))
    return json.dumps(state).encode()[:-1] + f", {json.dumps({first: state[first]})[1:]}".encode()


def not_utf8(_state):
    return b'{"format": "\xff\xfe"}'


def utf16(state):
    return json.dumps(state).encode("utf-16")


def nothing(_state):
    return b""


def comment(state):
    return b"// a model\n" + json.dumps(state).encode()


def two_values(state):
    return json.dumps(state).encode() * 2


TEXTS = [deep, deep_objects, many_digits, twice, not_utf8, utf16, nothing, comment, two_values]


PATHS = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "C:\\x",
    "\\\\host\\share\\x",
    "file:///etc/passwd",
    "%2e%2e/x",
    "a/../../x",
    ".",
    "..",
    "",
    "\x00",
    "\x1b[31mred",
    "x" * 300,
    "model.json/",
    "./model.json",
    "MODEL.JSON",
]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.lists(st.integers(-9, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=2),
    st.sampled_from(
        ["__class__", "os.system", "melanoma_ici", "xgboost", "clinical", "/etc/passwd", 2**31, -1, [[]], [None]]
    ),
)


def spots(value, path=()):
    """Every place of a state, long lists of numbers by their first."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from spots(value[key], (*path, key))
    elif isinstance(value, list):
        for k in range(min(len(value), 3)):
            yield from spots(value[k], (*path, k))


def put(state, path, odd, how):
    changed = copy.deepcopy(state)
    if not path:
        return odd
    inside = changed
    for step in path[:-1]:
        inside = inside[step]
    if how == "replace":
        inside[path[-1]] = odd
    elif how == "remove":
        del inside[path[-1]]
    elif isinstance(inside, dict):
        inside[str(odd)] = inside.pop(path[-1])
    else:
        inside.insert(path[-1], odd)
    return changed


def fuzzed(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
