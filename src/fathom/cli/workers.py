"""Workers as the verb ``train`` is told of them, and the journal they leave."""

from pathlib import Path

from fathom.cli.screen import Screen
from fathom.errors import InputError
from fathom.parallel.journal import remove_journal
from fathom.search.rounds import ROUND_SIZE, Rounds

DEFAULT_ROUNDS = 3


def choose_rounds(
    cluster: str | None,
    rounds: int | None,
    size: int | None,
    journal: str | None,
    output: str | None,
) -> Rounds | None:
    """Return what was said of workers as rounds; None where a search is left to this process.

    Raises
    ------
    InputError
        If rounds or a journal go without workers, or something cannot be.
    """
    if cluster is None:
        given = {"--rounds": rounds, "--round-size": size, "--journal": journal}
        named = next((name for name, value in given.items() if value is not None), None)
        if named is not None:
            raise InputError(f"--cluster with {named}", got="none", hint="--cluster processes:2")
        return None
    place = Path(output or "model.fathom")
    folder = Path(journal) if journal else place.with_name(f"{place.name}.journal")
    return Rounds(
        address=cluster, n_rounds=DEFAULT_ROUNDS if rounds is None else rounds,
        size=ROUND_SIZE if size is None else size, journal=str(folder),
    )  # fmt: skip


def require_searchable(rounds: Rounds | None, what: str) -> None:
    """Refuse workers for what is not searched for in rounds.

    Raises
    ------
    InputError
        If there are to be workers.
    """
    if rounds is not None:
        raise InputError(
            "--cluster with a table that is searched anew", got=f"--cluster {what}",
            hint="leave --cluster out",
        )  # fmt: skip


def say_rounds(screen: Screen, rounds: Rounds) -> None:
    """Say who trains, and whether an earlier process began."""
    assert rounds.journal is not None
    is_known = (Path(rounds.journal) / "journal.jsonl").exists()
    screen.emit("workers", **rounds.model_dump(mode="json"), goes_on=is_known)
    what = "goes on from" if is_known else "keeps results in"
    screen.say(
        f"  workers     {rounds.address}: {rounds.n_rounds} round{'s' * (rounds.n_rounds != 1)} "
        f"of {rounds.size}; {what} {rounds.journal}"
    )


def conclude_rounds(screen: Screen, rounds: Rounds, *, is_cut: bool) -> None:
    """Remove the journal of a search that came to its end; say of another where it is."""
    assert rounds.journal is not None
    if not is_cut:
        remove_journal(Path(rounds.journal))
        return
    text = f"cut off before its end: the same command goes on from {rounds.journal}"
    screen.emit("note", kind="cut_off", text=text)
    screen.say(f"  · {text}")
