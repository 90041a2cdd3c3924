"""MAStAC (paper, Section 4.1): exact, or approximated with a window of `kappa` steps (Definition 4.3)."""

from mastac.structure import Couplings, value_dependency
from mastac.structure.layout import CriticLayout, structured


def mastac_layout(couplings: Couplings, kappa: int | None, minimal: bool) -> CriticLayout:
    """One critic for each agent on its value dependency set; every actor climbs the critics that it moves."""
    return structured(value_dependency(couplings, kappa=kappa, minimal=minimal))
