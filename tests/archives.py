"""The package as one file, as a cluster sends it."""

import zipfile
from pathlib import Path

import theracast

ROOT = Path(theracast.__file__).resolve().parents[1]
FLOORS = {"core": "theracast", **{f: f"theracast/{f}" for f in ("features", "models", "predict")}}


def packed(place, name):
    """Pack the four floors as the wheel holds them; that the built wheel holds the same is a test of the house."""
    place.mkdir()
    with zipfile.ZipFile(place / name, "w") as out:
        for floor, package in FLOORS.items():
            for file in sorted((ROOT / floor).rglob("*")):
                if file.suffix in (".py", ".csv", ".parquet", ".yaml", ".jinja", ".css", ".js"):
                    out.write(file, f"{package}/{file.relative_to(ROOT / floor)}")
    return place / name
