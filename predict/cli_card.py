"""``theracast card``: what a model is for, how well it did, and what is left to a person."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from theracast.errors import UsageError
from theracast.predict.cli_score import Model, Tracking
from theracast.predict.console import out, show, steps

if TYPE_CHECKING:
    from theracast.predict.card.parts import Card

#: How a file ends to what is written into it.
_FILES = {".md": "card.md", ".html": "card.html", ".json": "card.json", ".xml": "card.chai.xml"}


def show_answers(wanted: bool) -> None:
    """Print the example of answers, and stop.

    Parameters
    ----------
    wanted : bool
        Whether it was asked for.

    Raises
    ------
    Exit
        When it was.

    Examples
    --------
    >>> show_answers(False)
    """
    if wanted:
        from theracast.predict.card.answers import Answers

        typer.echo(Answers.example_file(), nl=False)
        raise typer.Exit


def card(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File that ends in .html, .md, .json or .xml (CHAI), or a folder for all."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="YAML", help="What only a person can say; --example prints such a file."),
    ] = None,
    show_page: Annotated[bool, typer.Option("--open", help="Open the page; needs -o with a page in it.")] = False,
    example: Annotated[
        bool, typer.Option("--example", callback=show_answers, is_eager=True, help="Print an example of answers.")
    ] = False,
    tracking: Tracking = None,
) -> None:
    """Write the model card: use, data, figures, limits, TRIPOD+AI and PROBAST+AI.

    What the run knows is answered from it. What only a person can answer is
    open, and listed; answers given by a person are marked as such.

    \b
      theracast card models:/melanoma_ici@champion
      theracast card MODEL -o card.html --open
      theracast card --example > answers.yaml
      theracast card MODEL --answers answers.yaml -o card
    """  # noqa: D301 # \b is how click keeps lines apart
    folder = output is not None and (output.is_dir() or not output.suffix)
    if output is not None and not folder and output.suffix.lower() not in _FILES:
        raise UsageError("a card is a page, text or data", where="--output", wanted=f"a folder, or {', '.join(_FILES)}")
    if show_page and (output is None or not (folder or output.suffix.lower() == ".html")):
        raise UsageError("there is no page to open", where="--open", fix="Add -o card.html.")
    from theracast.predict.card.answers import Answers
    from theracast.predict.card.make import card_of
    from theracast.predict.card.writers import written

    told = Answers.from_yaml(answers) if answers is not None else None
    with steps() as step:
        step("load the model")
        made = card_of(model, told, tracking=tracking)
        step("write the card")
        texts = written(made) if output is not None else {}
    _tell(made)
    if output is None:
        return
    from theracast.predict.files import replace_file

    places = {output / n: t for n, t in texts.items()} if folder else {output: texts[_FILES[output.suffix.lower()]]}
    for place, text in places.items():
        replace_file(place, partial(Path.write_text, data=text, encoding="utf-8"))
        out.print(escape(str(place)), highlight=False, soft_wrap=True)
    if show_page:
        typer.launch(str(output / "card.html" if folder else output))


def _tell(made: Card) -> None:
    import pandas as pd

    from theracast.predict.card.writers import TITLES, open_items, open_line

    version = f"version {made.version}" if made.version else "not registered"
    out.print(f"[bold]{escape(made.name)}[/] {escape(version)}  {made.digest[:16]}", highlight=False, soft_wrap=True)
    said = ". ".join(filter(None, (made.headline or "How well it does is not known", made.beneath)))
    out.print(escape(said), highlight=False, soft_wrap=True)
    out.print(escape(open_line(made)), highlight=False, soft_wrap=True)
    left = [(f"{TITLES[c][0]} {a.number}", a.topic, a.rest) for c, a in open_items(made)]
    show(pd.DataFrame(left, columns=["item", "topic", "what a person has to say"]), "Left to a person")
