"""Independent judges: npm's packages beside this file."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"
INSTALLED = Path(__file__).parents[2] / "build" / "node"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the locked npm packages, installed once under build/."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js with npm is not here; on Debian, apt-get install nodejs npm.")
    modules = INSTALLED / "node_modules"
    lock = (NODE / "package-lock.json").read_bytes()
    if modules.is_dir() and (INSTALLED / "package-lock.json").read_bytes() == lock:
        return modules
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE / name, INSTALLED / name)
    ran = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=INSTALLED,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if ran.returncode:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        pytest.skip(f"npm could not fetch the packages: {ran.stderr.strip().splitlines()[-1:]}")
    return modules
