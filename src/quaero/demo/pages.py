"""The demo's pages as HTML: plain, readable, a little style, no script."""

from collections.abc import Sequence
from html import escape

from quaero.demo.content import Article, slug
from quaero.demo.words import SECTIONS

PER_PAGE = 10

STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2430; --quiet: #5d6b7c; --paper: #fbfaf7; --line: #d9d5cb; --mark: #8a2f1d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e1; --quiet: #9aa5b1; --paper: #15181d; --line: #323842; --mark: #ef9a80; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1.2rem 3rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.65 Georgia, "Times New Roman", serif; }
header { border-bottom: 3px double var(--line); padding: 1.6rem 0 .8rem; text-align: center; }
header .name { font-size: 2.2rem; font-weight: bold; letter-spacing: .02em; text-decoration: none; color: inherit; }
nav { margin-top: .6rem; font: .9rem/1.6 system-ui, sans-serif; }
nav a { margin: 0 .45rem; color: var(--quiet); text-decoration: none; }
nav a:hover, a:hover { text-decoration: underline; }
a { color: var(--mark); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1.6rem 0 .4rem; }
h2 { font-size: 1.15rem; margin: 1.4rem 0 .2rem; }
h2 a { color: inherit; text-decoration: none; }
.by, footer { color: var(--quiet); font: .85rem/1.6 system-ui, sans-serif; }
.teaser { margin: .1rem 0 .4rem; }
.pages { margin-top: 2rem; display: flex; justify-content: space-between; font: .9rem system-ui, sans-serif; }
aside { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .4rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
"""

NAME = "The Harbour Lantern"


def page(title: str, body: str, *, base: str = "") -> str:
    """A whole page around a body of HTML."""
    links = "".join(f'<a href="/{name}/">{label}</a>' for name, label in SECTIONS.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)} – {NAME}</title>{base}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/style.css"></head><body>'
        f'<header><a class="name" href="/">{NAME}</a><nav>{links}<a href="/authors/">Authors</a>'
        '<a href="/about.html">About</a></nav></header>'
        f"<main>{body}</main>"
        '<footer>Invented news from an invented town. <a href="/contact.html?utm_source=footer">Contact</a> · '
        '<a href="/private/editors.html">Editors</a> · <a href="/archive/" rel="nofollow">Archive search</a></footer>'
        "</body></html>\n"
    )


def article_page(article: Article, news: Sequence[Article]) -> str:
    """One article, with three related ones."""
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in article.paragraphs)
    related = "".join(f"<li>{link(news[n])}</li>" for n in article.related)
    earlier = f'<a href="{news[article.number - 1].path}">Earlier</a>' if article.number else "<span></span>"
    later = f'<a href="{news[article.number + 1].path}">Later</a>' if article.number + 1 < len(news) else ""
    body = (
        f"<article><h1>{escape(article.headline)}</h1>{byline(article)}{text}</article>"
        f"<aside><h2>Related</h2><ul>{related}</ul></aside>"
        f'<p class="pages">{earlier}{later}</p>'
    )
    return page(article.headline, body)


def list_page(title: str, path: str, news: Sequence[Article], number: int) -> str:
    """One page of a list of articles, newest first; `number` counts from 1."""
    shown = list(reversed(news))[(number - 1) * PER_PAGE : number * PER_PAGE]
    newer = f'<a href="{page_path(path, number - 1)}">Newer</a>' if number > 1 else "<span></span>"
    older = f'<a href="{page_path(path, number + 1)}">Older</a>' if number * PER_PAGE < len(news) else ""
    teasers = "".join(teaser(article) for article in shown)
    return page(f"{title}, page {number}", f'<h1>{escape(title)}</h1>{teasers}<p class="pages">{newer}{older}</p>')


def page_path(path: str, number: int) -> str:
    """Where the n-th page of a list stands."""
    return path if number == 1 else f"{path}?page={number}"


def teaser(article: Article) -> str:
    """A headline with its first sentences."""
    return f'<section><h2>{link(article)}</h2>{byline(article)}<p class="teaser">{escape(article.teaser)}</p></section>'


def byline(article: Article) -> str:
    """Who, when, where."""
    author = f'<a href="/authors/{slug(article.author)}/">{escape(article.author)}</a>'
    section = f'<a href="/{article.section}/">{SECTIONS[article.section]}</a>'
    return f'<p class="by">{author} · <time datetime="{article.day}">{article.day:%d %B %Y}</time> · {section}</p>'


def link(article: Article) -> str:
    """A link with the headline as its text."""
    return f'<a href="{article.path}">{escape(article.headline)}</a>'
