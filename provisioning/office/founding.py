"""A site is founded: its settings, its authority, its windows, and the first list. Real I/O."""

from collections.abc import Mapping
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from provisioning import files
from provisioning.errors import ProvisioningError
from provisioning.office import authority, passphrase, settings, windows
from provisioning.office.authority import Authority
from provisioning.office.sites import AUTHORITY, SITE, Clock, Site, utc_now


class Given(NamedTuple):
    """An authority there is already; nothing, for a new one."""

    certificate: Path | None
    key: Path | None
    passphrase_file: Path | None


def found(
    folder: Path,
    values: Mapping[str, str],
    copies: Mapping[str, Path],
    list_file: Path | None,
    given: Given,
    now: Clock = utc_now,
) -> list[str]:
    """Make the folder a site, or go on where that was cut off; what was done.

    values: area, hall, title, host, port. copies: files by the name they get in the folder.
    Raises ProvisioningError; a list of windows with a mistake in it stops before anything is made.
    """
    wanted = windows.read(str(list_file), list_file.read_bytes()) if list_file else []
    text = _settings_text(values)
    _check(folder / SITE, settings.read(SITE, text).source)
    done: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in copies.items():
        done += _copy(source, folder / name)
    if not (folder / SITE).exists():
        files.put(folder / SITE, text.encode())
        done.append(f"wrote {folder / SITE}")
    with closing(Site.open_alone(folder, now)) as site:
        site.platform_key()
        done += _authorise(site, given)
        done += site.inventory.plan(wanted, site.now())
        if site.list_until() is None:
            done += site.publish()
    return done


def plan(folder: Path, values: Mapping[str, str], list_file: Path | None) -> list[str]:
    """What `found` would do, as far as it is not done yet. Raises ProvisioningError as it does."""
    wanted = windows.read(str(list_file), list_file.read_bytes()) if list_file else []
    _check(folder / SITE, settings.read(SITE, _settings_text(values)).source)
    made = [
        f"would make {path}"
        for path in (folder / SITE, folder / AUTHORITY / authority.CERTIFICATE)
        if not path.exists()
    ]
    return [*made, *(f"would take over {unit.name}" for unit in wanted)]


def _authorise(site: Site, given: Given) -> list[str]:
    folder, name = site.folder / AUTHORITY, site.settings.name
    if site.settings.sign or (folder / authority.CERTIFICATE).exists():
        return []
    secret = passphrase.make(name)
    if given.certificate is not None and given.key is not None:
        named = given.passphrase_file
        held = None if named is None else named.read_bytes().strip()
        Authority.take_over(folder, given.certificate, given.key, held, secret, site.now())
    else:
        Authority.make(folder, f"haochaping units of {name}", secret, site.now())
    return [
        f"made {folder / authority.CERTIFICATE}: the broker needs it",
        f"its key opens with {passphrase.path(name)}: keep a copy of both, apart from each other",
    ]


def _check(path: Path, source: str) -> None:
    if not path.exists():
        return
    held = settings.read(str(path), path.read_text("utf-8"))
    if held.source != source:
        raise ProvisioningError(
            f"{path}: this is the site of {held.source} already",
            "one folder is one hall: take another folder",
        )


def _settings_text(values: Mapping[str, str]) -> str:
    text = resources.files("provisioning.office").joinpath("site.example.toml").read_text("utf-8")
    for old, new in (
        ('area = "330102"', f'area = "{values["area"]}"'),
        ('hall = "h01"', f'hall = "{values["hall"]}"'),
        ('title = "h01"', f'title = "{values["title"]}"'),
        ('host = "broker.example"', f'host = "{values["host"]}"'),
        ("\nport = 8883", f"\nport = {values['port']}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def _copy(source: Path, path: Path) -> list[str]:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise ProvisioningError(f"{source}: cannot be read ({error.strerror})") from error
    if path.exists() and path.read_bytes() == content:
        return []
    files.put(path, content)
    return [f"wrote {path}"]
