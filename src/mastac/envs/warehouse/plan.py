"""The warehouses' plan of flows: a mixed-integer linear program, and its simulation (numpy).

Flows, stocks and the sign of each stock describe a plan exactly: stock that is negative sends
nothing. Squared shortages are replaced by tangents from below, more of them where the solution
needs them, so each program's proven minimum bounds the return of every plan.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float, Int

from mastac.envs.family import Options
from mastac.envs.warehouse.dynamics import amplitudes
from mastac.structure import Couplings


@dataclass(frozen=True)
class WarehouseProblem:
    """What a plan of flows must know.

    **Arguments:**

    - `supply`: net supplies $z$, in units of stock.
    - `start`: first stocks.
    - `source`, `target`: who sends to whom.
    - `weight`: in how many rewards each warehouse's shortage counts.
    - `keep`: whether stock may stay.
    """

    supply: Float[np.ndarray, "horizon agents"]
    start: Float[np.ndarray, " agents"]
    source: Int[np.ndarray, " edges"]
    target: Int[np.ndarray, " edges"]
    weight: Float[np.ndarray, " agents"]
    keep: bool

    @property
    def num_agents(self) -> int:
        return len(self.start)

    @property
    def horizon(self) -> int:
        return len(self.supply)


def warehouse_problem(couplings: Couplings, values: Options) -> WarehouseProblem:
    """The plan's problem from couplings and options; the supply's noise is left out."""
    n = couplings.num_agents
    amplitude = amplitudes(values["supply"], n)
    times = np.arange(values["horizon"])[:, None]
    graph = couplings.state.tocoo()
    off = graph.row != graph.col
    return WarehouseProblem(
        supply=amplitude
        * np.sin(np.asarray(values["frequency"]) * times + np.asarray(values["phase"])),
        start=np.broadcast_to(np.asarray(values["initial_stock"], float), n),
        source=graph.col[off],
        target=graph.row[off],
        weight=np.asarray(couplings.reward.sum(0), float),
        keep=values["share"] == "keep",
    )


def simulate(
    problem: WarehouseProblem,
    shares: Float[np.ndarray, "steps edges"],
    supply: np.ndarray | None = None,
) -> tuple[float, Float[np.ndarray, "horizon agents"]]:
    """Total return and stocks of a plan of shares of what is in stock, along each edge."""
    supply = problem.supply if supply is None else supply
    stock, stocks = problem.start.astype(float), []
    for t in range(problem.horizon):
        stocks.append(stock)
        if t + 1 == problem.horizon:
            break
        sent = np.maximum(stock, 0.0)[problem.source] * shares[t]
        stock = stock + supply[t]
        np.subtract.at(stock, problem.source, sent)
        np.add.at(stock, problem.target, sent)
    return -float((problem.weight * np.minimum(stocks, 0.0) ** 2).sum()), np.array(stocks)


def uniform_shares(problem: WarehouseProblem) -> Float[np.ndarray, "steps edges"]:
    """Equal shares for all receivers, the sender itself among them where stock may stay."""
    choices = np.bincount(problem.source, minlength=problem.num_agents) + problem.keep
    return np.broadcast_to(
        1.0 / choices[problem.source], (problem.horizon - 1, len(problem.source))
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the solver writes past Python to file descriptor 1, where commands print."""
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        try:
            kept = os.dup(1)
        except OSError:  # no standard output to protect
            yield
            return
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, 1)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield


class PlanProgram:
    """The linear program of the plan.

    Variables are flows, stocks, borrowed stock `q`, its cost and the signs of stocks. Outflow is at
    most `stock + q` (equal to it where nothing may stay) with `q >= max(0, -stock)`. With
    whole-number signs, `q` is the shortage and only positive stock is sent; with relaxed signs
    stock may be borrowed, at a cost.
    """

    def __init__(self, problem: WarehouseProblem) -> None:
        steps, n, edges = problem.horizon - 1, problem.num_agents, len(problem.source)
        self.problem, self.shape, self.edges = problem, (steps, n), edges
        stocks = steps * n
        self.flow = np.arange(steps * edges).reshape(steps, edges)
        first = steps * edges
        self.stock, self.short, self.cost, self.sign = (
            first + k * stocks + np.arange(stocks).reshape(steps, n) for k in range(4)
        )
        self.size = first + 4 * stocks
        self.rows: list[sp.csr_array] = []
        self.low: list[np.ndarray] = []
        self.high: list[np.ndarray] = []
        self._bound_stocks()
        self._transitions()
        self._signs()
        for slope in (0.05, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0):
            self.add_tangents(np.full(self.shape, slope))

    def _add(self, parts: list[tuple[np.ndarray, Any]], low: Any, high: Any) -> None:
        """Rows `low <= sum of coefficients * variables <= high`, one for each index."""
        count = len(parts[0][0])
        row = np.concatenate([np.arange(count) for _ in parts])
        column = np.concatenate([index for index, _ in parts])
        value = np.concatenate(
            [np.broadcast_to(np.asarray(factor, float), count) for _, factor in parts]
        )
        self.rows.append(sp.csr_array((value, (row, column)), shape=(count, self.size)))
        self.low.append(np.broadcast_to(np.asarray(low, float), count))
        self.high.append(np.broadcast_to(np.asarray(high, float), count))

    def _incidence(self, ends: np.ndarray) -> sp.csr_array:
        return sp.csr_array(
            (np.ones(self.edges), (ends, np.arange(self.edges))), shape=(self.shape[1], self.edges)
        )

    def _bound_stocks(self) -> None:
        """Lowest and highest stocks of any plan: all is sent, or all of the neighbours arrives."""
        problem = self.problem
        received = self._incidence(problem.target) @ sp.csr_array(self._incidence(problem.source).T)
        low, high = problem.start.astype(float), problem.start.astype(float)
        self.least, self.most = np.empty(self.shape), np.empty(self.shape)
        for t in range(self.shape[0]):
            held = np.maximum(high, 0.0)
            low = np.minimum(low, 0.0) + problem.supply[t]
            high = received @ held + problem.keep * held + problem.supply[t]
            self.least[t], self.most[t] = low, high

    def _flows(self, t: int, sign: float) -> sp.csr_array:
        """Coefficients of the outflow of every warehouse at `t`."""
        out = self._incidence(self.problem.source).tocoo()
        return sp.csr_array(
            (sign * out.data, (out.row, self.flow[t][out.col])), shape=(self.shape[1], self.size)
        )

    def _transitions(self) -> None:
        problem, n = self.problem, self.shape[1]
        into = self._incidence(problem.target).tocoo()
        for t in range(self.shape[0]):
            arrives = sp.csr_array(
                (into.data, (into.row, self.flow[t][into.col])), shape=(n, self.size)
            )
            parts = [(self.stock[t], 1.0)] + ([(self.stock[t - 1], -1.0)] if t else [])
            known = problem.supply[t] + (0.0 if t else problem.start)
            self._add(parts, known, known)
            self.rows[-1] = self.rows[-1] + self._flows(t, 1.0) - arrives
            if t == 0:
                held = np.maximum(problem.start, 0.0)
                self._add([(self.stock[0], 0.0)], 0.0 if problem.keep else held, held)
                self.rows[-1] = self.rows[-1] + self._flows(0, 1.0)
                continue
            before = t - 1
            self._add(
                [(self.stock[before], -1.0), (self.short[before], -1.0)],
                -np.inf if problem.keep else 0.0,
                0.0,
            )
            self.rows[-1] = self.rows[-1] + self._flows(t, 1.0)
            self._add([(self.sign[before], -np.maximum(self.most[before], 0.0))], -np.inf, 0.0)
            self.rows[-1] = self.rows[-1] + self._flows(t, 1.0)

    def _signs(self) -> None:
        short = np.maximum(-self.least, 0.0).ravel()
        self._add([(self.short.ravel(), 1.0), (self.stock.ravel(), 1.0)], 0.0, np.inf)
        self._add([(self.short.ravel(), 1.0), (self.sign.ravel(), short)], -np.inf, short)

    def add_tangents(self, at: np.ndarray, where: np.ndarray | None = None) -> None:
        """`cost >= 2 a q - a²` for points `at` that can occur; true of `q²` for every `a`."""
        used = (at <= np.maximum(-self.least, 0.0) + 0.1) if where is None else where
        points = at[used]
        if len(points):
            self._add(
                [(self.cost[used], 1.0), (self.short[used], -2 * points)], -(points**2), np.inf
            )

    def solve(
        self, whole: bool, seconds: float, signs: np.ndarray | None = None
    ) -> tuple[np.ndarray | None, float]:
        """A solution (or `None`) and a proven lower bound on the cost; `signs` fixes them."""
        low, high = np.zeros(self.size), np.full(self.size, np.inf)
        low[self.stock], high[self.stock] = self.least, self.most
        high[self.short] = np.maximum(-self.least, 0.0)
        high[self.sign] = 1.0
        if signs is not None:
            low[self.sign] = high[self.sign] = signs
        price = np.zeros(self.size)
        price[self.cost] = self.problem.weight
        kinds = np.zeros(self.size)
        kinds[self.sign] = whole and signs is None
        rows, least, most = (
            sp.vstack(self.rows, format="csr"),
            np.concatenate(self.low),
            np.concatenate(self.high),
        )
        constraint = scipy.optimize.LinearConstraint(rows, least, most)  # pyright: ignore[reportArgumentType]
        options = {"time_limit": seconds, "mip_rel_gap": 1e-5}
        bounds = scipy.optimize.Bounds(low, high)  # pyright: ignore[reportArgumentType]
        with _quiet():
            result = scipy.optimize.milp(
                price, constraints=constraint, bounds=bounds, integrality=kinds, options=options
            )
        optimum = result.fun if result.status == 0 else None
        proven = result.mip_dual_bound if kinds.any() else optimum
        return result.x, -np.inf if proven is None else float(proven)

    def shares(self, solution: np.ndarray) -> Float[np.ndarray, "steps edges"]:
        """The flows as shares of the stock in hand, which any simulation can follow."""
        problem, stock = self.problem, _before(self.problem, solution[self.stock])
        sent = np.maximum(solution[self.flow], 0.0)
        out = np.stack([np.bincount(problem.source, flows, self.shape[1]) for flows in sent])
        total = np.maximum(out, np.maximum(stock, 0.0)) if problem.keep else out
        even = uniform_shares(problem)
        whole = total[:, problem.source]
        return np.where(
            whole > 1e-12, sent / np.maximum(whole, 1e-12), 0.0 if problem.keep else even
        )


def _before(problem: WarehouseProblem, later: np.ndarray) -> np.ndarray:
    """Stocks before each action: the first ones, then those of `later` but the last."""
    return np.vstack([problem.start, later[:-1]])
