"""One run over many devices: each has some of the agents, with their critics, actors and replay.

Importing this package imports no JAX; names are loaded when first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from mastac.learning.partition.program import agent_mesh, partitioned_program, program_in_parts
    from mastac.learning.partition.tables import split_over
    from mastac.learning.partition.traffic import bytes_between_devices, lowered_update

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "program": ["agent_mesh", "partitioned_program", "program_in_parts"],
        "tables": ["split_over"],
        "traffic": ["bytes_between_devices", "lowered_update"],
    },
)

__all__ = [
    "agent_mesh",
    "bytes_between_devices",
    "lowered_update",
    "partitioned_program",
    "program_in_parts",
    "split_over",
]
