"""A machine's files under one root: written only where they differ, each change said. Real I/O."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path


class Tree:
    """`root` is / or an image's root directory; paths inside it begin with /."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root, self._say = root, say
        self.changed: list[str] = []

    def at(self, path: str) -> Path:
        """Where the path lies for us."""
        return self.root / path.lstrip("/")

    def did(self, what: str, path: str) -> None:
        self.changed.append(path)
        self._say(f"{what} {path}")

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Make the file be this; whoever reads it meanwhile has the old one or the new one."""
        file = self.at(path)
        if file.is_file() and file.read_bytes() == content and file.stat().st_mode & 0o777 == mode:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(content)
        new.chmod(mode)
        new.replace(file)
        self.did("wrote", path)

    def link(self, path: str, target: str) -> None:
        """Make the symbolic link lead there."""
        link = self.at(path)
        if link.is_symlink() and os.readlink(link) == target:
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(link)
        self.did("linked", path)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole directory, if it is there."""
        file = self.at(path)
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        elif file.is_symlink() or file.exists():
            file.unlink()
        else:
            return
        self.did("removed", path)
