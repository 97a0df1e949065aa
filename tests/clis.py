"""The command line in tests: inside this process, and as a user runs it."""

import os
import subprocess
import sys

from typer.testing import CliRunner

from theracast.predict.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def printed(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def shell(folder, *arguments):
    """The command as a user runs it, without the store that mlflow writes into our environment."""
    return subprocess.run(
        [sys.executable, "-c", "from theracast.predict.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not ("MLFLOW" in k and k.endswith("_URI"))},
    )
