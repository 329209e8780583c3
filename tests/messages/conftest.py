"""Independent judges: npm's packages beside this file."""

from pathlib import Path

import pytest

from tests.npm import installed

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the locked npm packages."""
    return installed(NODE, "node")
