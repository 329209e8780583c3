"""The keys of a test: a secret file that holds no secret."""

import base64
import json
from pathlib import Path


def secret_file(folder: Path) -> Path:
    """Writes it into a folder."""
    key = base64.b64encode(bytes(range(32))).decode()
    path = folder / "secret.json"
    path.write_text(json.dumps({"hmac": key, "encryption": [{"id": "test", "key": key}]}))
    return path
