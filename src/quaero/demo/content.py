"""The demo's articles: the same readable news for the same seed, on every machine."""

import random
import re
from dataclasses import dataclass
from datetime import date, timedelta

from quaero.demo.words import EVENTS, OPENINGS, PEOPLE, PLACES, SECTIONS, SENTENCES, SUBJECTS

ARTICLES = 240
FIRST_DAY = date(2025, 9, 1)


@dataclass(frozen=True, slots=True)
class Article:
    """One piece of news. `path` is where it stands; `related` are positions of others in the list."""

    number: int
    section: str
    headline: str
    author: str
    day: date
    paragraphs: tuple[str, ...]
    related: tuple[int, ...]

    @property
    def slug(self) -> str:
        """The headline as a path segment."""
        return slug(self.headline)

    @property
    def path(self) -> str:
        """Unique: the number stands behind the words."""
        return f"/{self.section}/{self.day:%Y/%m}/{self.slug}-{self.number}.html"

    @property
    def teaser(self) -> str:
        """Its first sentences."""
        return self.paragraphs[0]


def articles(count: int = ARTICLES, seed: int = 7) -> tuple[Article, ...]:
    """The news, oldest first. The same count and seed give the same news."""
    chance = random.Random(seed)
    names = list(SECTIONS)
    return tuple(_article(chance, number, names[number % len(names)], count) for number in range(count))


def slug(text: str) -> str:
    """Words in lower case with hyphens between."""
    return re.sub(r"[^a-z]+", "-", text.lower()).strip("-")


def _article(chance: random.Random, number: int, section: str, count: int) -> Article:
    headline = f"{chance.choice(SUBJECTS[section])} {chance.choice(EVENTS).format(place=chance.choice(PLACES))}"
    return Article(
        number=number,
        section=section,
        headline=headline,
        author=" ".join(chance.choice(PEOPLE)),
        day=FIRST_DAY + timedelta(days=number // 3),
        paragraphs=tuple(_paragraph(chance, is_first=n == 0) for n in range(chance.randint(4, 8))),
        related=tuple(chance.sample(range(count), 3)),
    )


def _paragraph(chance: random.Random, *, is_first: bool) -> str:
    sentences = [_sentence(chance, text) for text in chance.sample(SENTENCES, chance.randint(3, 5))]
    return " ".join([chance.choice(OPENINGS), *sentences] if is_first else sentences)


def _sentence(chance: random.Random, text: str) -> str:
    person = " ".join(chance.choice(PEOPLE))
    return text.format(person=person, place=chance.choice(PLACES), number=chance.randint(12, 980))
