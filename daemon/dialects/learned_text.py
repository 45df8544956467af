"""Text learned from a capture (pure): fields between separators, or sentences."""

import re
from collections import Counter

from daemon.dialects.learned import (
    MOST,
    RECORDS_LEAST,
    Lesson,
    encoding_of,
    fields_of,
    key,
    quoted,
    said,
    vocabulary,
    words_table,
)

ENDS = (b"\r\n", b"\n", b"\r", b"\x03", b"\x04", b"\x17", b"\0", b";", b"#", b"$", b"!")
NEARLY = 0.9
RARE = 0.1
SEPARATORS = ("|", ",", ";", "\t", "#", "*", "^", "~", "$", "/", ":", " ")
STARTS = "$*#@<[:!"
SENTENCE_WORDS = (
    ("再次|重新|重呼", "recalled"),
    ("评价", "completed"),
    ("过号", "skipped"),
    ("暂停", "suspended"),
    ("恢复", "resumed"),
    ("上岗|登录", "login"),
    ("离岗|退出", "logout"),
    ("请.*到|叫号", "called"),
)

# The characters of such sentences.
PLAIN = {
    *"请到窗口号柜台在重新再次叫过暂停恢复服务评价工上离岗登录退出办理业务完成开始您好，。！：{}?"
}

_SLOT = re.compile(r"[0-9A-Za-z_./-]+")


def lines(data: bytes) -> Lesson | None:
    """Fields between separators, or sentences."""
    encoding = encoding_of(data)
    cut = [(_cut(data, end, encoding), end) for end in ENDS if data.count(end) >= RECORDS_LEAST]
    if not cut:
        return None
    # What ends with CR LF ends with either, too: the longest of those that cut nearly as well,
    # and a control character before one that may stand between fields.
    most = max(covered for (_, covered), _ in cut)
    (texts, covered), end = max(
        (each for each in cut if each[0][1] >= NEARLY * most),
        key=lambda each: (each[1] < b" ", len(each[1]), each[0][1]),
    )
    if len(texts) < RECORDS_LEAST:
        return None
    start, texts = _start(texts)
    lesson = Lesson("line", covered / len(data), len(texts))
    lesson.sure.append(
        f"a record ends with {end!r}" + (f" and begins with {start!r}" if start else "")
    )
    lesson.toml = [
        "[signal.line]",
        f"encoding = {quoted(encoding)}",
        f"start = {quoted(start)}",
        f"end = {quoted(end.decode())}",
    ]
    separator = _separator(texts)
    if separator is None:
        return _sentences(texts, lesson)
    return _fields(texts, separator, encoding, lesson)


def _cut(data: bytes, end: bytes, encoding: str) -> tuple[list[str], int]:
    """The records of this end that are text, and how many bytes they cover."""
    texts, covered = [], 0
    for record in data.split(end)[:-1]:
        try:
            text = record.decode(encoding)
        except UnicodeDecodeError:
            # What was torn or noise stands before what is whole.
            text = record.decode(encoding, "replace").rpartition("\ufffd")[2]
        body = text.strip("\r\n")
        # A mark may stand before it, and what was torn before that.
        body = body[max(0, *map(body.rfind, "\x01\x02\x05")) :]
        if len(body) > 2 and body[1:].replace("\t", "").isprintable():
            texts.append(body)
            covered += len(body.encode(encoding)) + len(end)
    return texts, covered


def _start(texts: list[str]) -> tuple[str, list[str]]:
    """What records begin with, and the records without it; torn ones are left out."""
    first, count = Counter(text[0] for text in texts).most_common(1)[0]
    is_mark = not first.isprintable() or first in STARTS
    # What stands in a record again and again is its separator, with an empty field before it.
    times = sum(text.count(first) for text in texts) / len(texts)
    if not is_mark or count < MOST * len(texts) or times > 1.5:
        return "", texts
    return first, [text.rpartition(first)[2] for text in texts if first in text]


def _separator(texts: list[str]) -> str | None:
    """What stands in most records, and in the same number for the same word."""
    best = (0.0, "")
    for separator in SEPARATORS:
        share = sum(separator in text for text in texts) / len(texts)
        if share >= MOST and share > best[0]:
            best = (share, separator)
    return best[1] or None


def _fields(texts: list[str], separator: str, encoding: str, lesson: Lesson) -> Lesson:
    summed = [text for text in texts if _has_sum8(text, separator, encoding)]
    has_sum = len(summed) >= MOST * len(texts)
    if has_sum:
        texts = [text.rpartition(separator)[0] for text in summed]
        lesson.sure.append("the last field is the sum of the bytes before its separator")
    rows = [[field.strip() for field in text.split(separator)] for text in texts]
    # A width that few have is that of records that ran together.
    widths = Counter(map(len, rows))
    rows = [row for row in rows if widths[len(row)] >= RARE * len(rows)]
    width = max(map(len, rows), default=0)
    columns = {
        str(index): [row[index] if index < len(row) else "" for row in rows]
        for index in range(width)
    }
    say = said(columns)
    found = fields_of(columns, say or "")
    lesson.sure.append(f"its fields are cut at {separator!r}")
    lesson.toml += [
        f"separator = {quoted(separator)}",
        f"checksum = {quoted('sum8' if has_sum else 'none')}",
        "",
        "[signal.line.fields]",
    ]
    if say is None:
        lesson.toml.append("# say = ?")
        lesson.asks.append("which field says what happened: none has a few words only")
    else:
        lesson.toml.append(f"say = {say}")
    lesson.toml += [f"{name} = {column}    # ? by its look" for name, column in found.items()]
    if found:
        lesson.asks.append("whether the fields marked with ? are what they look like")
    used = {say, *found.values()}
    spare = ", ".join(column for column in columns if column not in used)
    if spare:
        lesson.toml.append(f"# not used: {spare}")
    if say is not None:
        table = words_table(vocabulary(columns[say]), lesson)
        lesson.toml += ["", "[signal.line.words]", *table]
    return lesson


def _has_sum8(text: str, separator: str, encoding: str) -> bool:
    body, _, told = text.rpartition(separator)
    return told.strip().upper() == f"{sum(body.encode(encoding)) & 0xFF:02X}"


def _sentences(texts: list[str], lesson: Lesson) -> Lesson:
    forms = Counter(map(_form, texts))
    kinds = Counter(map(_form, set(texts)))
    lesson.sure.append("its records are sentences")
    lesson.toml += ["", "[signal.line.sentences]"]
    for form, count in sorted(forms.items(), key=lambda each: (-each[1], each[0])):
        # What comes in one wording only, and in other characters, may name somebody.
        is_plain = set(_SLOT.sub("", form)) <= PLAIN
        ours = next((ours for pattern, ours in SENTENCE_WORDS if re.search(pattern, form)), None)
        is_known = is_plain and ours is not None and "{?}" not in form
        is_form = count > 1 and (kinds[form] > 1 or is_plain)
        if "{" not in form or not (is_known or is_form):
            continue
        if ours is None or "{?}" in form:
            shown = f'# {key(form)} = "{ours or "?"}"    # {count} times: what does it mean?'
        else:
            shown = f"{key(form)} = {quoted(ours)}    # ? by its words"
        lesson.toml.append(shown)
    lesson.asks.append("whether each sentence means what is marked with ?")
    return lesson


def _form(text: str) -> str:
    """The sentence with our fields in place of what changes."""
    used: set[str] = set()

    def field(match: re.Match[str]) -> str:
        before, after = text[: match.start()], text[match.end() :]
        value = match.group()
        name = "?"
        if re.match(r"号?(窗口|柜台)", after) or (
            before.endswith(("窗口", "柜台")) and value.isdecimal()
        ):
            name = "window"
        elif before.endswith(("工号", "员")):
            name = "staff"
        elif re.fullmatch(r"[A-Za-z]{0,2}[0-9]{1,5}", value):
            name = "ticket"
        if name in used:
            name = "?"
        used.add(name)
        return f"{{{name}}}"

    return _SLOT.sub(field, text)
