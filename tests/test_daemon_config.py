"""The unit's configuration: the example says everything, and every mistake is said at once."""

import re
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import config
from daemon.config.vocabulary import FIELDS
from daemon.errors import ConfigError
from daemon.front.night import Look, Looks
from daemon.page.password import Password

EXAMPLE = resources.files("daemon").joinpath("config.example.toml").read_text("utf-8")
# Every commented line that is a key or a table, uncommented.
FULL = re.sub(r"^# (\[+[\w.]+\]+|\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
# Shown for those who need them; their default is to be absent.
NO_DEFAULT = {
    "uplink.tls_ca", "uplink.tls_certificate", "uplink.tls_key", "window[1].display_address",
}  # fmt: skip
OPEN_TABLES = tuple(
    f"signal.{dialect}.{table}"
    for dialect in ("line", "jsonl", "frame")
    for table in ("fields", "words", "sentences")
)


def load(tmp_path, text):
    path = tmp_path / "unit.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return config.load(path)


def problems(tmp_path, text):
    """What is wrong with a text, without the places."""
    return [problem for _, problem in placed_problems(tmp_path, text)]


def placed_problems(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    pattern = re.compile(r"(?:line (\d+), column (\d+): )?(.*)")
    found = [pattern.fullmatch(problem).groups() for problem in caught.value.problems]
    return [(line and (int(line), int(column)), problem) for line, column, problem in found]


def mistakes(path):
    """The problems of a file, None when it has none."""
    try:
        config.load(path)
    except ConfigError as error:
        return error.problems
    return None


def changed(*replacements):
    text = EXAMPLE
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def tables(value, name=""):
    """Every table of a TOML value by its dotted name."""
    yield name, value
    for key, inner in value.items():
        dotted = f"{name}.{key}".lstrip(".")
        if isinstance(inner, dict):
            yield from tables(inner, dotted)
        elif isinstance(inner, list) and isinstance(inner[0], dict):
            yield from tables(inner[0], f"{dotted}[1]")


def test_example_as_it_stands_is_read(tmp_path):
    read = load(tmp_path, EXAMPLE)
    assert (read.unit.area, read.unit.hall, read.unit.unit) == ("330102", "h01", "w03")
    assert read.unit.signing_key == tmp_path / "signing.pem"
    assert read.store.database == tmp_path / "journal.db"
    assert read.pad.keys == (5, 4, 3, 2, 1)
    assert (read.case.prompt_ms, read.case.correction_ms) == (30_000, 3_000)
    assert read.case.not_public_hold_ms == 1_200
    assert (read.signal.dialect, read.signal.line) == ("native", None)
    assert read.uplink.tls_ca is None


def test_example_when_comments_are_removed_shows_the_defaults(tmp_path):
    shown = {
        f"{name}.{key}"
        for name, table in tables(tomllib.loads(FULL))
        for key in table
        if name and not name.startswith(OPEN_TABLES)
    }
    hidden = "\n".join(
        line for line in FULL.splitlines() if not line.startswith(("tls_", "display_"))
    )
    assert shown >= NO_DEFAULT
    left, right = load(tmp_path, EXAMPLE), load(tmp_path, hidden)
    assert replace(left, digest="", reasons=right.reasons) == replace(right, digest="")


def test_look_of_the_pad_then_as_written(tmp_path):
    assert load(tmp_path, EXAMPLE).pad.looks == Looks()
    text = changed(
        ("# brightness = 100 ", "brightness = 80 "),
        ("# volume = 100 ", "volume = 0 "),
        ('# night = "" ', 'night = "21:00-6:30" '),
    )
    looks = load(tmp_path, text).pad.looks
    assert looks == Looks(day=Look(80, 0), night=(21 * 60, 6 * 60 + 30))


def test_lamps_of_two_windows_then_as_written(tmp_path):
    second = '[[window]]\nnumber = "4"\npad = "/dev/p4"\nsignal = "/dev/s"\nbuzzer_pin = 22\n'
    text = changed(
        ("# lamp_pin = 0 ", "lamp_pin = 17 "),
        ("[store]\n", f"{second}[store]\n"),
        ('# kind = "none" ', 'kind = "gpio" '),
        ("# active_low = false ", "active_low = true "),
        ('# player = "aplay -q" ', """player = "mpg123 -q -a 'plughw:1'" """),
    )
    read = load(tmp_path, text)
    assert [(one.lamp_pin, one.buzzer_pin) for one in read.windows] == [(17, 0), (0, 22)]
    assert (read.lamp.kind, read.lamp.buzzer, read.lamp.active_low) == ("gpio", "passive", True)
    assert read.voice.player == ("mpg123", "-q", "-a", "plughw:1")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ('file = "t.bin"', "trace.key: missing; the public key of who may read the trace"),
        ('key = "s.pub"', "trace.file: missing; where the trace is written"),
    ],
)
def test_trace_when_one_of_its_two_is_missing_says_which(tmp_path, given, problem):
    text = changed(("[trace]\n", f"[trace]\n{given}\n"))
    assert problems(tmp_path, text) == [problem]


def test_line_description_when_all_is_shown_is_the_default(tmp_path):
    line = load(tmp_path, FULL.replace('dialect = "native"', 'dialect = "line"')).signal.line
    assert line is not None
    short = '[signal.line]\nfields = {say = 0}\nwords = {EVALUATION = "completed"}\n'
    text = changed(('# dialect = "native"', 'dialect = "line"')) + short
    default = load(tmp_path, text).signal.line
    assert replace(line, fields={}, words={}) == replace(default, fields={}, words={})


def test_keys_of_the_example_are_those_the_code_knows(tmp_path):
    value = tomllib.loads(FULL)
    header = {
        name: f"[[{name[:-3]}]]" if name.endswith("[1]") else f"[{name}]"
        for name, _ in tables(value)
        if name
    }
    for name, table in tables(value):
        if name.startswith(OPEN_TABLES):
            continue
        text = (
            FULL.replace(header[name], f"{header[name]}\nqqqqqqqq = 1", 1)
            if name
            else ("qqqqqqqq = 1\n" + FULL)
        )
        (problem,) = problems(tmp_path, text)
        dotted, known = re.fullmatch(r"(\S+): unknown; known: (.*)", problem).groups()
        assert dotted == f"{name}.qqqqqqqq".lstrip(".")
        assert set(known.split(", ")) == set(table), name


def test_fields_of_the_line_dialect_are_the_known_ones(tmp_path):
    text = FULL.replace("[signal.line.fields]", "[signal.line.fields]\nqqqqqqqq = 9")
    (problem,) = problems(tmp_path, text)
    assert set(problem.rpartition("known: ")[2].split(", ")) == set(FIELDS)


def test_many_mistakes_when_in_one_file_are_all_named(tmp_path):
    text = """
        sginal = 1
        [unit]
        area = "33"
        hall = "H 1"
        unit = "w03"
        signing_kye = "x.pem"
        [[window]]
        number = 3
        pad = "/dev/pad"
        signal = "/dev/signal"
        [store]
        database = ""
        [pad]
        keys = [5, 4, 3, 2, 2]
        [signal]
        baud = 9601
        dialect = "nativ"
        [signal.line]
        encoding = "gb2312"
        fields = {ticket = -1, tickets = 3}
        words = {A = "complete"}
        [case]
        prompt_s = nan
        correction_s = "3"
        not_public_hold_s = -1
        [uplink]
        port = 65536
        protocol = 3
        tls_certificate = "c.pem"
        [panel]
        language = "de"
        [page]
        host = "0.0.0.0"
    """
    found = problems(tmp_path, text)
    expected = [
        "sginal: unknown (did you mean signal?)",
        "unit.area: '33' is not allowed; an areaCode, 6 to 12 digits",
        "unit.hall: 'H 1' is not allowed; 1 to 32 of a-z, 0-9 and -, not beginning with -",
        "window[1].number: 3 is not allowed; 1 to 8 of 0-9, A-Z, a-z and -",
        "unit.signing_key: missing; a path, relative to the configuration file",
        "unit.signing_kye: unknown (did you mean signing_key?)",
        "store.database: '' is not allowed; a path, relative to the configuration file",
        "pad.keys: [5, 4, 3, 2, 2] is not allowed; "
        "the levels 1 to 5, each once, from the left key to the right",
        "signal.baud: 9601 is not allowed; "
        "one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 (did you mean 9600?)",
        "signal.dialect: 'nativ' is not allowed; one of native, line, jsonl, frame "
        "(did you mean native?)",
        "signal.line.encoding: 'gb2312' is not allowed; one of utf-8, gbk",
        "signal.line.fields.ticket: -1 is not allowed; a position from 0 to 63",
        "signal.line.fields.tickets: unknown (did you mean ticket?)",
        "signal.line.fields.say: missing; the position of the word that says what happened, from 0",
        "signal.line.words.A: 'complete' is not allowed; one of called, recalled, skipped, "
        "transferred, suspended, resumed, served, completed, prompt, bound, staff, login, logout "
        "(did you mean completed?)",
        "case.prompt_s: nan is not allowed; seconds from 1 to 120",
        "case.correction_s: '3' is not allowed; seconds from 0 to 10",
        "case.not_public_hold_s: -1 is not allowed; seconds from 0 to 5",
        "uplink.broker: missing; a host name or address",
        "uplink.port: 65536 is not allowed; a whole number from 1 to 65535",
        "uplink.protocol: 3 is not allowed; one of 5, 4",
        "uplink.platform_key: missing; a path, relative to the configuration file",
        "uplink.tls_key: missing; tls_certificate needs it",
        "uplink.tls_ca: missing; tls_certificate needs it",
        "panel.language: 'de' is not allowed; one of zh, en",
        "page.password: missing; the line that `python -m daemon password` prints, for a host that "
        "is not loopback",
    ]
    assert [line for line in expected if line not in found] == []


PASSWORD = Password.make("a password for halls", ln=10, p=1)


def paged(tmp_path, *lines):
    """The [page] of the example with these lines."""
    text = EXAMPLE + "".join(f"\n{line}" for line in lines)
    return load(tmp_path, text).page


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "fd00::7", "127.0.0.1"])
def test_page_with_a_password_may_be_on_the_halls_network(tmp_path, host):
    page = paged(tmp_path, f'host = "{host}"', f'password = "{PASSWORD}"')
    assert (page.host, page.password, page.tls) == (host, PASSWORD, None)


def test_page_with_a_certificate_has_it_beside_the_file(tmp_path):
    page = paged(tmp_path, 'tls_certificate = "page.pem"', 'tls_key = "page.key"')
    assert page.tls == (tmp_path / "page.pem", tmp_path / "page.key")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('host = "0.0.0.0"', "page.password: missing; the line that `python -m daemon password`"),
        ('host = "hall.example"', "page.host: 'hall.example' is not allowed; an address of this"),
        ("host = 7", "page.host: 7 is not allowed"),
        ('password = "letmein"', "page.password: 'letmein' is not allowed; the line that `python"),
        ('tls_key = "k"', "page.tls_certificate: missing; certificate and key, both or neither"),
        ('tls_certificate = "c"', "page.tls_key: missing; certificate and key, both or neither"),
    ],
)
def test_page_with_a_mistake_says_what_is_allowed(tmp_path, line, problem):
    (found,) = problems(tmp_path, f"{EXAMPLE}\n{line}\n")
    assert found.startswith(problem)


def test_empty_file_names_every_key_that_must_be_there(tmp_path):
    found = {line.split(":")[0] for line in problems(tmp_path, "")}
    assert found == {
        "unit.area", "unit.hall", "unit.unit", "unit.signing_key", "window",
        "store.database", "uplink.broker", "uplink.platform_key",
    }  # fmt: skip


def test_sentence_names_file_and_count(tmp_path):
    with pytest.raises(ConfigError, match=r"unit\.toml: 1 mistake; mend it and start again:\n  "):
        load(tmp_path, changed(('hall = "h01" ', 'hall = "" ')))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("unit = 1\n", "unit: 1 is not allowed; a table [unit]"),
        ('[case]\nprompt_s = true\n', "case.prompt_s: True is not allowed"),
        ("[case]\nprompt_s = inf\n", "case.prompt_s: inf is not allowed"),
        ("[case]\nprompt_s = 1979-05-27\n", "case.prompt_s: datetime.date(1979, 5, 27)"),
        ("[page]\nport = 80.0\n", "page.port: 80.0 is not allowed"),
        ("[page]\nport = true\n", "page.port: True is not allowed"),
        ("[uplink]\nprotocol = 5.0\n", "uplink.protocol: 5.0 is not allowed"),
        ("[uplink]\nprotocol = true\n", "uplink.protocol: True is not allowed"),
        ('[pad]\nkeys = ["5", "4", "3", "2", "1"]\n', "pad.keys: ["),
        ("[pad]\nkeys = [5, 4, 3, 2, true]\n", "pad.keys: ["),
        ("[pad]\nkeys = 54321\n", "pad.keys: 54321"),
        ('[[window]]\npad = "a\\u0000b"\n', "window[1].pad: 'a\\x00b' is not allowed"),
        ("[pad]\nbrightness = 0\n", "pad.brightness: 0 is not allowed; a whole number from 1"),
        ("[pad]\nvolume = 101\n", "pad.volume: 101 is not allowed; a whole number from 0"),
        ('[pad]\nnight = "24:00-06:00"\n', "pad.night: '24:00-06:00' is not allowed; from when"),
        ('[pad]\nnight = "21-6"\n', "pad.night: '21-6' is not allowed"),
        ('[pad]\nfirmware = "f"\n', "pad.firmware_key: missing; the key of who makes"),
        ("[[window]]\nlamp_pin = 2\n", "window[1].lamp_pin: 2 is not allowed; the BCM number of a"),
        ("[[window]]\nlamp_pin = true\n", "window[1].lamp_pin: True is not allowed"),
        ("[[window]]\nlamp_pin = 17\nbuzzer_pin = 17\n", "window[1].buzzer_pin: 17 is not all"),
        ("[[window]]\n[[window]]\nlamp_pin = 0\nbuzzer_pin = 31\n", "window[2].buzzer_pin: 31"),
        ("[[window]]\nlamp_pin = 17\n[[window]]\nlamp_pin = 17\n", "window[2].lamp_pin: 17 is"),
        ("[[window]]\nlamp_pin = 17\n", "lamp.kind: 'none' is not allowed; \"gpio\" where a"),
        ('[[window]]\n[lamp]\nkind = "gpio"\n', "lamp.kind: 'gpio' is not allowed; a [[window]]"),
        ("[lamp]\nactive_low = 1\n", "lamp.active_low: 1 is not allowed; true or false"),
        ("[voice]\nplayer = 'aplay \"'\n", "voice.player: 'aplay \"' is not allowed; a program"),
        ('[voice]\nplayer = " "\n', "voice.player: ' ' is not allowed"),
        ("[voice]\nlongest_s = 31\n", "voice.longest_s: 31 is not allowed; seconds from 1 to 30"),
        ('[store]\ndatabase = "a\\u0000b"\n', "store.database: 'a\\x00b' is not allowed"),
        ('[uplink]\nbroker = "a b"\n', "uplink.broker: 'a b' is not allowed"),
        ('[uplink]\ntls_key = "k"\n', "uplink.tls_certificate: missing; tls_key needs it"),
        (f"[page]\nport = 0x{'f' * 6000}\n", "page.port: this int is not allowed"),
        ("[panel]\nlanguage = {a = 1}\n", "panel.language: {'a': 1} is not allowed"),
        ('[store]\n"a\\nb" = 1\n', "store.'a\\nb': unknown"),
        ('[signal.line]\nend = ""\n', "signal.line.end: '' is not allowed"),
        ('[signal.line]\nencoding = "gbk"\nend = "|"\n', "signal.line.end: '|' is not allowed"),
        ('[signal.line]\nencoding = "gbk"\nstart = "请"\n', "signal.line.start: '请'"),
        ('[signal.line]\nencoding = "gbk"\nseparator = "😀"\n', "signal.line.separator: '😀'"),
        ("[signal.line]\nwords = {}\n", "signal.line.words: {} is not allowed; at least one"),
        ('[signal.line.sentences]\n"请{tickt}" = "called"\n', "signal.line.sentences.请{tickt}:"),
        ('[signal.line.sentences]\n"{ticket}{staff}" = "called"\n', "signal.line.sentences."),
        ('[signal.line.sentences]\n"{ticket" = "called"\n', "signal.line.sentences.{ticket: "),
        ('[signal.line.sentences]\n"请{ticket}" = "call"\n', "signal.line.sentences.请{ticket}: "),
        ('[signal.jsonl]\nclosed = "[]"\n', "signal.jsonl.closed: '[]' is not allowed; one JSON"),
        ('[signal.jsonl]\nclosed = "{"\n', "signal.jsonl.closed: '{' is not allowed; one JSON"),
        ('[signal.jsonl.fields]\nsay = 0\n', "signal.jsonl.fields.say: 0 is not allowed; a name"),
        ('[signal.frame]\nheader = "?? 68"\n', "signal.frame.header: '?? 68' is not allowed"),
        ('[signal.frame]\nend = "1"\n', "signal.frame.end: '1' is not allowed; 1 to 4 bytes"),
        ('[signal.frame]\nend = "16"\n', "signal.frame.sum8: missing; where the sum is"),
        ("[signal.frame.length]\nat = 1\n", "signal.frame.end: missing; without [signal"),
        ("[signal.frame.length]\nsize = 3\n", "signal.frame.length.at: missing; its position"),
        ("[signal.frame.sum8]\nat = -1\nto = 1\n", "signal.frame.sum8.to: 1 is not allowed"),
        ('[signal.frame]\nclosed = "16 {window}"\n', "signal.frame.closed: '{window}' is not"),
        ('[signal.frame]\nclosed = "16 {sum8}"\n', "signal.frame.closed: '{sum8}' is not allowed"),
        ('[signal.frame]\nclosed = "16 {ticket}"\n', "signal.frame.closed: '16 {ticket}' is not"),
        ("[signal.frame.fields]\nsay = 6\n", "signal.frame.fields.say: 6 is not allowed; a table"),
        ('[signal.frame.fields]\nsay = {at = 6, as = "text"}\n', "signal.frame.fields.say.as: "),
        ("[signal.frame.fields]\nsay = {at = 6, len = 2, to = -2}\n", "signal.frame.fields.say.le"),
        ("[signal.frame.fields]\nsay = [{at = 6}, {to = 0}]\n", "signal.frame.fields.say[2].at: "),
        ('[signal]\ndialect = "line"\nreply = true\n', "signal.line.closed: missing; reply = true"),
        ("[signal]\nreply = 1\n", "signal.reply: 1 is not allowed; true or false"),
    ],
)  # fmt: skip
def test_wrong_value_is_named_with_its_key(tmp_path, line, key):
    assert any(problem.startswith(key) for problem in problems(tmp_path, line))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[unit\n", "not TOML: .*line 1"),
        (b"[unit]\n[unit]\n", "not TOML: "),
        ("[unit]\nhall = '门厅'".encode("gbk"), r"not UTF-8 \(line 2\): save it as UTF-8"),
        (b"a = " + b"[" * 9_000, "not TOML: nested too deeply"),
        (b"a = " + b"9" * 5_000, "not TOML: "),
        (b"# " + b"x" * config.FILE_LEN_MAX, "longer than 32768 bytes: not a configuration"),
        (b"a" + b".a" * 2_000 + b" = 1\n[unit]\n", r"a: unknown|nested too deeply"),
        (b"[page]\nport" + b".a" * 2_000 + b" = 1", r"page.port: .* is not allowed"),
    ],
)
def test_file_when_it_is_no_configuration_is_refused_in_words(tmp_path, content, said):
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, content)


def test_file_when_missing_or_a_directory_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        config.load(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(tmp_path)


def test_file_when_unreadable_is_refused_in_words(tmp_path):
    # Every user, root too, may not read this one.
    with pytest.raises(ConfigError, match="cannot be read: "):
        config.load(Path("/proc/self/mem"))
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        load(tmp_path, EXAMPLE) and config.load(tmp_path / "unit.toml" / "below")


def toml(value):
    """A value as TOML, inline."""
    if isinstance(value, dict):
        inner = ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        escaped = "".join(char if char.isalnum() else f"\\U{ord(char):08x}" for char in value)
        return f'"{escaped}"'
    return str(value).lower()


CHARACTERS = st.sampled_from('aZ9é中😀\x00\n\x7f\u2028"\\./-@ ')
KEYS = st.one_of(
    st.sampled_from(sorted({key for _, table in tables(tomllib.loads(FULL)) for key in table})),
    st.text(CHARACTERS, max_size=5),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(CHARACTERS, max_size=20),
        st.sampled_from(["zh", "line", "gbk", "sum8", "called", "/dev/x", 5, 3, 0.5]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=9))
def test_any_toml_gives_a_configuration_or_its_mistakes(tmp_path_factory, value):
    text = "".join(f"{toml(str(key))} = {toml(item)}\n" for key, item in value.items())
    assert tomllib.loads(text).keys() == value.keys()
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, "utf-8")
    found = mistakes(path)
    assert found is None or found
    assert all(line.isprintable() and len(line) < 600 for line in found or ())


@given(st.binary(max_size=200))
def test_any_bytes_give_mistakes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        config.load(path)


DESCRIBED = """\
[signal]
dialect = "frame"

[signal.frame]
header = "FF 68 ?? ?? 68"
end = 16
[signal.frame.length]
at = 2
form = -2
[signal.frame.fields]
window = {at = 5, as = "unit"}
say = [
    {at = 6, as = "hex"},
    {at = 7000},
]
[signal.frame.words]
41 = "called"
42 = "recall"
"""


def test_description_with_mistakes_names_each_with_its_line_and_column(tmp_path):
    found = placed_problems(tmp_path, DESCRIBED)
    assert not any("words: {}" in text for _, text in found)
    assert [(place, text.split(";")[0]) for place, text in found if place] == [
        ((6, 7), "signal.frame.end: 16 is not allowed"),
        ((9, 1), "signal.frame.length.form: unknown (did you mean from?)"),
        ((11, 24), "signal.frame.fields.window.as: 'unit' is not allowed"),
        ((14, 11), "signal.frame.fields.say[2].at: 7000 is not allowed"),
        ((18, 6), "signal.frame.words.42: 'recall' is not allowed"),
    ]


SECOND = '[[window]]\nnumber = "4"\npad = "/dev/pad4"\nsignal = "/dev/signal4"\n'


@pytest.mark.parametrize(
    ("display", "first", "second", "wrong"),
    [
        ("none", "", "", None),
        ("ssd1306", "", "display_address = 0x3D\n", None),
        ("ssd1306", "", "", "window[2].display_address: 60 is not allowed; an address"),
        ("sh1106", "display_address = 0x3D\n", "display_address = 0x3D\n", "window[2]"),
        ("sh1106", "display_address = 0x02\n", "", "0x8 to 0x77"),
        ("ssd1322", "", "display_address = 1\n", None),
        ("ssd1322", "", "display_address = 0x3D\n", "a chip-select line of its own"),
    ],
)
def test_displays_of_two_windows_each_have_a_place_on_the_bus(
    tmp_path, display, first, second, wrong
):
    text = changed(
        ("[[window]]", f"[[window]]\n{first}"),
        ("[store]\n", f"{SECOND}{second}\n[store]\n"),
        ('# display = "none" ', f'display = "{display}" '),
    )
    if wrong is None:
        assert len(load(tmp_path, text).windows) == 2
    else:
        (problem,) = problems(tmp_path, text)
        assert wrong in problem


def test_reasons_of_the_example_are_a_table_of_the_hall(tmp_path):
    assert load(tmp_path, EXAMPLE).reasons.asked is None
    asked = load(tmp_path, FULL).reasons.asked
    assert (asked.table, asked.ask_ms, len(asked.keys)) == ("r1", 8_000, 5)
    assert asked.labels[0] == "服务态度"
    assert dict(asked.keys[0].codes) == {5: "517", 4: "413", 3: "314", 2: "214", 1: "115"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"517"', '"317"', "reasons.key[1].codes: ['317', '413', '314', '214', '115'] is not"),
        ('"517"', '"501"', "reasons.key[1].codes: ['501'"),
        ('"517", ', "", "reasons.key[1].codes: ['413'"),
        ('"服务态度"', '"' + "很" * 15 + '"', "reasons.key[1].label: "),
        ("ask_s = 8.0", "ask_s = 2", "reasons.ask_s: 2 is not allowed; seconds from 3 to 30"),
        (
            '[[reasons.key]]\nlabel = "网上办理"\ncodes = ["513", "407", "312", "211", "112"]\n',
            "",
            "reasons.key: 4 is not allowed; 5 tables, one for each key from the left",
        ),
    ],
)
def test_reasons_with_a_mistake_say_what_is_allowed(tmp_path, old, new, problem):
    lines = FULL.splitlines()
    text = "\n".join(re.sub(r"  +# .*$", "", line) for line in lines)
    assert text.count(old) == 1, old
    (found,) = problems(tmp_path, text.replace(old, new))
    assert found.startswith(problem)
