"""Archives of numpy arrays (.npz) from anywhere, read without trusting what they declare."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from mastac.errors import UserError
from mastac.reading import file_bytes

MOST_BYTES = 2**34
"""Of all arrays of an archive together: sixteen gigabytes."""
LONGEST_HEADER = 10_000
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a `.npz` file, by name; no code in it is run.

    Shapes that headers declare are compared with the bytes that are there, before memory is taken.

    **Raises:**

    - `UserError` if it cannot be read or is damaged; the sentence does not name the file.
    """
    content = file_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise UserError("its arrays would fill more than 16 GB")
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise UserError("an array stands there twice")
            return {
                name: _array(archive, member, name)
                for name, member in zip(names, members, strict=True)
            }
    except UserError:
        raise
    except Exception as error:  # archives, codecs and numpy raise errors of many kinds
        raise UserError(f"it is no archive of numpy arrays: {error}") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
    """One array of an archive; its checksum is compared at the end of the file."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in HEADERS:
            raise UserError(f"the array '{name}' is of an unknown version of numpy's format")
        shape, is_fortran, dtype = HEADERS[version](file, max_header_size=LONGEST_HEADER)
        if dtype.hasobject:
            raise UserError(f"the array '{name}' holds Python objects, which are never read")
        declared, held = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
        if declared != held or min(shape, default=0) < 0:
            raise UserError(
                f"the array '{name}' declares {declared:,} bytes of shape {shape}, and {held:,} "
                "are there"
            )
        content = file.read()
    if not declared:
        return np.zeros(shape, dtype)
    # A copy, because what comes of bytes cannot be written to.
    order = "F" if is_fortran else "C"
    return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order)
