"""npm packages that judge us from outside: locked, and installed once under build/."""

import shutil
import subprocess
from pathlib import Path

import pytest

_BUILD = Path(__file__).parents[1] / "build"


def installed(packages: Path, name: str) -> Path:
    """The `node_modules` of what the lock in `packages` names, kept as build/NAME; skips the test where npm cannot."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js with npm is not here; on Debian, apt-get install nodejs npm.")
    folder = _BUILD / name
    modules, lock = folder / "node_modules", "package-lock.json"
    if modules.is_dir() and (folder / lock).read_bytes() == (packages / lock).read_bytes():
        return modules
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", lock):
        shutil.copy(packages / file, folder / file)
    ran = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if ran.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"npm could not fetch the packages: {ran.stderr.strip().splitlines()[-1:]}")
    return modules
