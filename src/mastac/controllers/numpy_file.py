"""Controllers as numpy archives, which `controller.py` reads."""

import io
import json
from typing import Any

import numpy as np

from mastac.controllers.controller import Network


def numpy_bytes(about: dict[str, Any], network: Network) -> bytes:
    """The content of a file `<agent>.npz`: the arrays, and what is said of them as a text."""
    content = io.BytesIO()
    stored = {"about": np.array(json.dumps(about, ensure_ascii=False)), **network.arrays()}
    np.savez_compressed(content, allow_pickle=False, **stored)
    return content.getvalue()
