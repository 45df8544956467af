"""The support bundle: what somebody far away needs to help, as one zip (pure).

What stands in it is what the page shows, and no more: no key material, no level, no personal data,
nothing of what the queue line said.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from daemon.page.entries import Row
from daemon.page.machine import Machine
from daemon.page.metrics import metrics
from daemon.page.verdict import SERVING, reasons
from daemon.snapshot import Snapshot

README = """\
故障资料包 / Support bundle
{source}, {time} UTC

这个压缩包用于远程排查故障。里面没有任何评价内容、没有密钥、没有个人信息。
请把它交给维护人员；文件都是文本，可以先打开看一遍再发送。

This archive is for whoever helps from afar. It holds no rating, no key and no personal data.
Hand it to your support; every file is text, so read it first if you like.

status.json    连接、计数、时钟的状态 / state of every link, counters, clock
health.txt     能否正常服务及原因 / whether the unit serves, and why not
metrics.txt    Prometheus 指标 / the same as Prometheus reads it
entries.csv    最近的记录，不含评价内容 / the last entries, without how anybody rated
config.json    配置，密钥和密码已隐去 / the configuration, with keys and passwords masked
machine.json   主机、存储、版本 / machine, storage, versions
log.txt        程序的最近日志 / the daemon's last log lines
"""
COLUMNS = ("seq", "time", "kind", "window", "ticket", "what", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Everything that goes into a bundle; `made` is UTC."""

    shown: Snapshot
    rows: tuple[Row, ...]
    machine: Machine
    programs: Mapping[str, str]
    config: Mapping[str, Any]
    config_hash: str
    locale: Mapping[str, str]
    log: Iterable[str]
    made: datetime


def bundle(support: Support) -> bytes:
    """The zip; the same content gives the same bytes."""
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _files(support).items():
            archive.writestr(zipfile.ZipInfo(name, support.made.timetuple()[:6]), text)
    return out.getvalue()


def _files(support: Support) -> dict[str, str]:
    shown = support.shown
    versions = {**support.programs, "config": support.config_hash}
    machine = {
        "machine": asdict(support.machine),
        "versions": versions,
        "locale": dict(support.locale),
    }
    time = support.made.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "README.txt": README.format(source=shown.source, time=time),
        "status.json": _json(_status(shown)),
        "health.txt": "".join(f"{line}\n" for line in reasons(shown) or (SERVING,)),
        "metrics.txt": metrics(shown, support.machine, versions),
        "entries.csv": _csv(support.rows),
        "config.json": _json(support.config),
        "machine.json": _json(machine),
        "log.txt": "".join(f"{line}\n" for line in support.log),
    }


def _status(shown: Snapshot) -> dict[str, Any]:
    """The snapshot without what is on the screens: the queue line said it, of somebody's case."""
    value = shown.as_json()
    for window in value["windows"]:
        window["screen"] = {name: window["screen"][name] for name in ("name", "trouble")}
    return value


def _csv(rows: tuple[Row, ...]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    return out.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
