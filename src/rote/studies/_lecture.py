"""A lecture: studies told one after another, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass

from rote.errors import InputError
from rote.studies._study import Study


@dataclass(frozen=True)
class Chapter:
    """One thing that a lecture says, and the study that puts it to the test.

    Attributes:
        study: The study.
        title: What is said, as a sentence.
        words: How to see it in what is shown; a few sentences.
        shows: What to show of the study, in order: names of figures, and of each the title of a panel.
        tools: What computes the same on one's own model and data: names in :mod:`rote.dynamics`.

    Example:
        >>> study = Study("toy", "A toy", "Nobody 2020", "https://example.org", ())
        >>> Chapter(study, "It rises", "Look.", (("fig-1", "Values"),)).tools
        ()
    """

    study: Study
    title: str
    words: str
    shows: Sequence[tuple[str, str]]
    tools: Sequence[str] = ()


@dataclass(frozen=True)
class Lecture:
    """Chapters in the order in which they are told.

    Attributes:
        name: As the command line names it.
        title: Its question.
        words: What it is about; a few sentences.
        paper: Where it was told first: author, title, year.
        link: Its address.
        chapters: What it says.

    Example:
        >>> Lecture("lecture", "What?", "", "Nobody 2020", "https://example.org", ()).chapters
        ()
    """

    name: str
    title: str
    words: str
    paper: str
    link: str
    chapters: Sequence[Chapter]


def chosen_chapters(lecture: Lecture, only: Sequence[str]) -> list[Chapter]:
    """The chapters on these studies; all of them where none is named.

    Raises:
        InputError: If there is no such study in it.
    """
    names = [chapter.study.name for chapter in lecture.chapters]
    for name in only:
        if name not in names:
            raise InputError(f"`only` must be among {', '.join(names)}. Got {name!r}.")
    return [chapter for chapter in lecture.chapters if not only or chapter.study.name in only]
