"""The page as HTML (pure): lines in, text out; every value escaped, nothing loaded from elsewhere.

`parts` are the pieces that change. The page is served with them in place, so that it is whole
without a script; the script fetches the same pieces and exchanges those that differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from daemon.page.entries import Row
from daemon.page.report import BAD, GOOD, WAIT, Line
from daemon.page.words import Words
from daemon.snapshot import Snapshot, WindowView

# Shape as well as colour: who cannot tell red from green reads the same.
MARKS = {GOOD: "●", WAIT: "▲", BAD: "■"}
# Without a script the browser asks again after this.
RELOAD_S = 5
# Names of lines in the locale files.
LINK_HEADS = ("link", "state", "advice")
ENTRY_HEADS = ("seq", "time", "window_head", "ticket", "what")
TOOLS = (
    ("/bundle.zip", "bundle"),
    ("/metrics", "metrics"),
    ("/healthz", "health"),
    ("/status.json", "status"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one page shows; `tables` are the quiet facts, by heading."""

    shown: Snapshot
    links: list[Line]
    rows: tuple[Row, ...]
    counters: Mapping[str, list[Line]]
    tables: Mapping[str, list[Line]]
    pictures: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is around a page: its language, whether one may leave, whether others can read along."""

    words: Words
    other_language: str
    may_leave: bool
    is_plain: bool


def parts(content: Content, words: Words) -> dict[str, str]:
    """The pieces that change, by the id of the element they stand in."""
    found = {
        "verdict": _verdict(content, words),
        "links": "".join(_link(line) for line in content.links),
        "entries": _entries(content.rows, words),
    }
    for window in content.shown.windows:
        found[f"window-{window.number}"] = _window(window, words)
    for index, lines in enumerate(content.counters.values()):
        found[f"counters-{index}"] = _lines(lines)
    for index, lines in enumerate(content.tables.values()):
        found[f"table-{index}"] = _lines(lines)
    return found


def page(content: Content, frame: Frame) -> str:
    words, pieces = frame.words, parts(content, frame.words)
    say = words.say
    body = (
        f'<div id="verdict" role="status">{pieces["verdict"]}</div>'
        f'<p id="stale" class="bad" role="alert" hidden>{MARKS[BAD]} {_say(words, "stale")}</p>'
        f"{_section('windows', words, _windows(content, pieces, words))}"
        f"{_section('links', words, _links_table(pieces, words))}"
        f"{_tables(content.tables, pieces)}"
        f"{_section('tools', words, _tools(words))}"
        f'<section class="wide" aria-labelledby="h-entries"><h2 id="h-entries">'
        f"{escape(say('page', 'entries', count=len(content.rows)))}</h2>"
        f'<p class="note">{_say(words, "entries_note")}</p>'
        f"{_entries_table(pieces, words)}</section>"
        f'<details class="counters"><summary><h2>{_say(words, "counters")}</h2></summary>'
        f"<div>{_counters(content.counters, pieces)}</div></details>"
    )
    title = say("page", "title", source=content.shown.source)
    return document(title, body, frame, is_live=True)


def login(source: str, note: str, frame: Frame) -> str:
    """The form; `note` is the name of a sentence, filled in already, or empty."""
    words = frame.words
    said = f'<p class="bad" role="alert">{MARKS[BAD]} {escape(note)}</p>' if note else ""
    body = (
        f'<form method="post" action="/login?lang={words.language}" class="login">{said}'
        f'<label for="password">{_say(words, "login")}</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        f"required autofocus><button>{_say(words, 'enter')}</button></form>"
    )
    return document(words.say("page", "title", source=source), body, frame)


def document(title: str, body: str, frame: Frame, *, is_live: bool = False) -> str:
    words, other = frame.words, frame.other_language
    live = (
        f'<noscript><meta http-equiv="refresh" content="{RELOAD_S}"></noscript>'
        '<script src="/page.js" defer></script>'
    )
    leave = (
        f'<form method="post" action="/logout"><button>{_say(words, "leave")}</button></form>'
        if frame.may_leave
        else ""
    )
    plain = f'<p class="note">{_say(words, "plain")}</p>' if frame.is_plain else ""
    return (
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,">'
        f"{live if is_live else ''}</head><body><header><h1>{escape(title)}</h1>"
        f'<nav><a href="?lang={other}" lang="{other}" hreflang="{other}">'
        f"{_say(words, 'other_language')}</a>{leave}</nav></header>"
        f"<main>{body}</main><footer>{plain}</footer></body></html>"
    )


# -- pieces


def _verdict(content: Content, words: Words) -> str:
    marks = {line.mark for line in content.links}
    mark = BAD if BAD in marks else GOOD
    text = words.say("page", "serving" if mark == GOOD else "not_serving")
    poor = [line.label for line in content.links if line.mark in (WAIT, BAD)]
    look = ""
    if poor:
        labels = words.say("page", "join").join(poor)
        look = f"<span>{escape(words.say('page', 'look', links=labels))}</span>"
    return f'<p class="verdict {mark}"><strong>{MARKS[mark]} {escape(text)}</strong> {look}</p>'


def _link(line: Line) -> str:
    detail = f' <small lang="en">{escape(line.detail)}</small>' if line.detail else ""
    return (
        f'<tr><th scope="row">{escape(line.label)}</th>'
        f'<td class="{line.mark}">{MARKS.get(line.mark, "")} {escape(line.value)}</td>'
        f"<td>{escape(line.advice)}{detail}</td></tr>"
    )


def _lines(lines: Iterable[Line]) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(line.label)}</th>'
        f"<td{_class(line.mark)}>{_marked(line.mark)}{escape(line.value)}"
        f"{_advice(line.advice)}</td></tr>"
        for line in lines
    )


def _entries(rows: tuple[Row, ...], words: Words) -> str:
    if not rows:
        return f'<tr><td colspan="5">{_say(words, "none")}</td></tr>'
    return "".join(_entry(row, words) for row in rows)


def _entry(row: Row, words: Words) -> str:
    detail = f' <small lang="en">{escape(row.detail)}</small>' if row.detail else ""
    return (
        f'<tr><td class="number">{row.seq}</td><td class="time">{escape(row.time or "–")}</td>'
        f"<td>{escape(row.window or '')}</td><td>{escape(row.ticket or '')}</td>"
        f"<td>{escape(words.name('what', row.what))}{detail}</td></tr>"
    )


def _window(window: WindowView, words: Words) -> str:
    """What stands below a window's picture."""
    screen, pad = words.name("screen", window.screen.name), window.pad
    said = f"<p>{escape(screen)}</p>"
    if pad.update is None:
        return said
    percent = pad.update_percent or 0
    return (
        f"{said}<p>{_say(words, 'updating')}: "
        f'<progress max="100" value="{percent}">{percent} %</progress> {percent} % '
        f'<small lang="en">{escape(pad.update)}</small></p>'
    )


# -- what stays


def _section(name: str, words: Words, body: str) -> str:
    return (
        f'<section class="{name}" aria-labelledby="h-{name}">'
        f'<h2 id="h-{name}">{_say(words, name)}</h2>{body}</section>'
    )


def _windows(content: Content, pieces: Mapping[str, str], words: Words) -> str:
    return "".join(_figure(window, content, pieces, words) for window in content.shown.windows)


def _figure(window: WindowView, content: Content, pieces: Mapping[str, str], words: Words) -> str:
    number, source = escape(window.number), content.pictures.get(window.number)
    picture = ""
    if source is not None:
        alt = words.say("page", "mirror", number=window.number)
        picture = (
            f'<img data-window="{number}" src="{escape(source)}" alt="{escape(alt)}" '
            'width="256" height="128">'
        )
    caption = escape(words.say("page", "window", number=window.number))
    return (
        f"<figure><figcaption>{caption}</figcaption>{picture}"
        f'<div id="window-{number}">{pieces[f"window-{window.number}"]}</div></figure>'
    )


def _links_table(pieces: Mapping[str, str], words: Words) -> str:
    heads = "".join(f'<th scope="col">{_say(words, name)}</th>' for name in LINK_HEADS)
    return (
        f'<table class="links"><thead><tr>{heads}</tr></thead>'
        f'<tbody id="links">{pieces["links"]}</tbody></table>'
    )


def _entries_table(pieces: Mapping[str, str], words: Words) -> str:
    heads = "".join(f'<th scope="col">{_say(words, name)}</th>' for name in ENTRY_HEADS)
    return (
        f'<table class="entries"><thead><tr>{heads}</tr></thead>'
        f'<tbody id="entries">{pieces["entries"]}</tbody></table>'
    )


def _tables(tables: Mapping[str, list[Line]], pieces: Mapping[str, str]) -> str:
    return "".join(
        f'<section aria-labelledby="h-table-{index}"><h2 id="h-table-{index}">{escape(title)}</h2>'
        f'<table class="facts"><tbody id="table-{index}">{pieces[f"table-{index}"]}'
        "</tbody></table></section>"
        for index, title in enumerate(tables)
    )


def _counters(counters: Mapping[str, list[Line]], pieces: Mapping[str, str]) -> str:
    return "".join(
        f'<table class="facts"><caption>{escape(title)}</caption>'
        f'<tbody id="counters-{index}">{pieces[f"counters-{index}"]}</tbody></table>'
        for index, title in enumerate(counters)
    )


def _tools(words: Words) -> str:
    items = "".join(f'<li><a href="{path}">{_say(words, name)}</a></li>' for path, name in TOOLS)
    return f"<ul>{items}</ul>"


def _say(words: Words, name: str) -> str:
    return escape(words.say("page", name))


def _class(mark: str) -> str:
    return f' class="{mark}"' if mark else ""


def _marked(mark: str) -> str:
    return f"{MARKS[mark]} " if mark else ""


def _advice(advice: str) -> str:
    return f" <small>{escape(advice)}</small>" if advice else ""
