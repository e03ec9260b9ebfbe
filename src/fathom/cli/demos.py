"""Public data to try ``train`` on: what to fetch, where it is, and what is asked of it."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, is_folder, read, shown_path
from fathom.data.blanks import BLANKS
from fathom.errors import InputError

SUBFOLDERS = ("PetImages", "recordings")  # in which the public archives keep the files
_PLAIN = TableOptions("")


@dataclass(frozen=True)
class Demo:
    """A public data set, and the question that is asked of it.

    Attributes
    ----------
    question : str
        What is asked.
    content, place, size, licence : str
        What the data set is, where it is found, how large it is, and its terms as far as known.
    steps : tuple of str
        How it is laid out, in sentences.
    given : str
        What is then given to the command, and further options that are advised.
    settle : callable
        Takes options with a path, and returns them with what the data set asks for where the user
        left it open.
    """

    question: str
    content: str
    place: str
    size: str
    licence: str
    steps: tuple[str, ...]
    given: str
    settle: Callable[[TableOptions], TableOptions]


def introduce_demo(name: str, options: TableOptions, is_json: bool) -> TableOptions | None:
    """Say how to come by a public data set; or, where its path is given, what is asked of it.

    Parameters
    ----------
    name : str
        Which one.
    options : TableOptions
        As the user gave them.
    is_json : bool
        Whether events are said, one a line.

    Returns
    -------
    TableOptions or None
        What to train with; None where no path is given and there is nothing to train on.

    Raises
    ------
    InputError
        If there is no such data set, or the path is not laid out like it.
    """
    demo = DEMOS.get(name)
    if demo is None:
        raise InputError(f"--demo {', '.join(DEMOS)}", got=repr(name)[:40])
    screen = Screen(is_json)
    if not options.path:
        _say_how(screen, name, demo)
        return None
    settled = demo.settle(options)
    command = _command(settled)
    screen.emit("demo", name=name, question=demo.question, command=command)
    screen.say(f"{demo.question} The same as")
    screen.say(f"  {command}\n")
    return settled


def _say_how(screen: Screen, name: str, demo: Demo) -> None:
    command = f"fathom train {demo.given} --demo {name}"
    screen.emit(
        "demo", name=name, question=demo.question, content=demo.content, place=demo.place,
        size=demo.size, licence=demo.licence, steps=list(demo.steps), command=command,
    )  # fmt: skip
    screen.say(demo.question)
    screen.say()
    told = {
        "data": demo.content, "from": demo.place, "size": demo.size, "licence": demo.licence
    }  # fmt: skip
    for word, text in told.items():
        screen.say(f"  {word:<8} {text}")
    screen.say()
    screen.say("Fathom fetches nothing by itself. To lay it out:")
    for number, step in enumerate(demo.steps, start=1):
        screen.say(f"  {number}. {step}")
    screen.say("Then:")
    screen.say(f"  {command}")


def _command(options: TableOptions) -> str:
    """Return the command without ``--demo`` that does the same."""
    words = ["fathom", "train", shown_path(options.path)]
    for flag, value in (
        ("--names", options.names), ("--target", ",".join(options.target)),
        ("--group", options.group), ("--separator", options.separator),
        ("--task", None if options.task == _PLAIN.task else options.task),
    ):  # fmt: skip
        words += [flag, value] if value else []
    words += ["--no-header"] * options.no_header
    return shlex.join(words)


def _filled(options: TableOptions, **asked: Any) -> TableOptions:
    """Set what the user left open."""
    is_open = {name: getattr(options, name) == getattr(_PLAIN, name) for name in asked}
    return replace(options, **{name: value for name, value in asked.items() if is_open[name]})


def _within(options: TableOptions, name: str, what: str) -> tuple[TableOptions, Path]:
    """Step into the folder in which the archive has the files, where the one above is given."""
    if not is_folder(options.path):
        raise InputError(
            f"a folder of {what} for --demo {name}", got=shown_path(options.path),
            hint=f"fathom train --demo {name} says how to lay it out",
        )  # fmt: skip
    folder = Path(options.path)
    inner = next((folder / one for one in SUBFOLDERS if (folder / one).is_dir()), folder)
    return replace(options, path=str(inner)), inner


def _settle_cats(options: TableOptions) -> TableOptions:
    """Take a folder of classes as it is; in one of files their names tell, as in cat.7.jpg."""
    options, folder = _within(options, "cats", "pictures")
    if any(one.is_dir() for one in folder.iterdir() if one.name[:1] != "."):
        return options
    return _filled(options, names="{class}.{number}", target=("class",), task="classes")


def _settle_speech(options: TableOptions) -> TableOptions:
    """Read digit and speaker from the names of files; nobody both teaches and judges."""
    options, _ = _within(options, "speech", "recordings")
    names = {"names": "{digit}_{speaker}_{take}", "target": ("digit",), "group": "speaker"}
    return _filled(options, **names, task="classes")


def _settle_news(options: TableOptions) -> TableOptions:
    """Find the column of kinds: of all the one with the fewest values; names may be absent."""
    if is_folder(options.path) or options.target:
        return options
    first = read(replace(options, no_header=True)).frame
    has_names = first.columns[0] != "column_1"  # as of Parquet and the like
    if not has_names and not any(str(cell).strip().isdecimal() for cell in first.row(0)):
        first, has_names = read(options).frame, True
    kinds = min(first.columns, key=lambda name: first[name].n_unique())
    return _filled(options, target=(kinds,), task="classes", no_header=not has_names)


def _settle_faces(options: TableOptions) -> TableOptions:
    """Ask for two of the attributes together; the authors' own file has blanks between values."""
    if is_folder(options.path):
        raise InputError(
            "the table of attributes for --demo faces", got=f"{options.path}, a folder",
            hint="name list_attr_celeba.txt or list_attr_celeba.csv in it",
        )  # fmt: skip
    asked: dict[str, Any] = {"target": ("Male", "Blond_Hair")}
    if Path(options.path).suffix.lower() == ".txt":
        asked["separator"] = BLANKS
    return _filled(options, **asked)


DEMOS: dict[str, Demo] = {
    "cats": Demo(
        question="Is it a cat or a dog?",
        content="Kaggle Cats and Dogs (Asirra): 25,000 photographs of many sizes",
        place="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
        size="about 790 MB",
        licence="not stated clearly; taken for research use",
        steps=(
            "unpack the archive: it holds PetImages/Cat and PetImages/Dog (pictures that cannot "
            "be read are listed and passed over)",
            "or any folder with one sub-folder for each class; or the files of the Kaggle "
            "competition, cat.0.jpg and dog.0.jpg, in one folder",
        ),
        given="PetImages --time-limit 600",
        settle=_settle_cats,
    ),
    "news": Demo(
        question="Which kind of news is it?",
        content="AG News: 120,000 titles and first sentences of 4 kinds, 7,600 more to judge by; "
        "in Chinese THUCNews: titles of 10 kinds and more",
        place="https://huggingface.co/datasets/fancyzhx/ag_news; THUCNews: "
        "http://thuctc.thunlp.org",
        size="about 30 MB; THUCNews about 2 GB",
        licence="AG News for non-commercial use, THUCNews for research",
        steps=(
            "a file with a column of kinds and one or two of text, with names of columns or "
            "without: .csv, .tsv or .parquet, as it was fetched",
            "or a folder with one sub-folder of .txt files for each kind, as THUCNews has",
        ),
        given="train.csv",
        settle=_settle_news,
    ),
    "speech": Demo(
        question="Which digit is said?",
        content="Free Spoken Digit Dataset: 3,000 recordings of 6 speakers, 8 kHz",
        place="https://github.com/Jakobovski/free-spoken-digit-dataset",
        size="about 16 MB",
        licence="CC BY-SA 4.0",
        steps=(
            "unpack the archive: the folder recordings holds files such as 7_jackson_32.wav, "
            "digit, speaker and take",
            "who judges did not teach, so the figure that is shown is for voices never heard",
        ),
        given="free-spoken-digit-dataset --time-limit 120",
        settle=_settle_speech,
    ),
    "faces": Demo(
        question="Man or woman, and blond or not: two answers in one, of which blond men are rare?",
        content="CelebA: 202,599 faces, of each 40 attributes told by people",
        place="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        size="27 MB, list_attr_celeba.txt alone; the pictures, 1.4 GB, are not needed",
        licence="non-commercial research",
        steps=(
            "fetch list_attr_celeba.txt (Anno on the authors' page; unpack it where it is in an "
            "archive), or list_attr_celeba.csv of one of its copies",
            "the two answers are found from the other 38 attributes; where the table lies among "
            "the pictures, from the pictures",
        ),
        given="list_attr_celeba.txt",
        settle=_settle_faces,
    ),
}  # fmt: skip
