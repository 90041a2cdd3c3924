"""`python -m mastac.examples` prints what two policies attain in every example."""

from mastac.examples import EXAMPLES, HELD_OUT, example
from mastac.text import number, table


def main() -> None:
    """Play all examples, and print a table of returns."""
    rows = []
    for name in EXAMPLES:
        env = example(name)
        reference = env.reference()
        assert reference is not None
        rows.append(
            (
                *(name, "yes" if name in HELD_OUT else ""),
                *(str(env.num_agents), str(env.horizon)),
                *(number(reference.simple), number(reference.best_known)),
            )
        )
    head = ("example", "held out", "agents", "steps", "simple policy", "rule written by hand")
    print(table(head, rows, left=2))


if __name__ == "__main__":
    main()
