"""The layouts against their definitions, on random couplings."""

from itertools import combinations

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.algorithms import ALGORITHMS
from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    complete,
    gradient_dependency,
    ring,
    uncoupled,
    value_dependency,
)
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import (
    central,
    local,
    neighbourhoods,
    selfish,
    structured,
    summed,
    team,
    undecomposed,
    with_distances,
    with_team_rewards,
)
from structure.witnesses import GRAPHS, systems

few = settings(
    max_examples=40
)  # of each: every one is a graph that is built, and networks laid out on it
windows = st.none() | st.integers(0, 3)
named = st.sampled_from(sorted(ALGORITHMS))


def same(a, b) -> bool:
    """Whether two layouts are equal entry by entry."""
    if (a.mix is None) != (b.mix is None) or a.agents != b.agents:
        return False
    parts = ["states", "actions", "rewards", "credit"] + (["mix"] if a.mix is not None else [])
    return all(
        np.array_equal(getattr(a, part).toarray(), getattr(b, part).toarray()) for part in parts
    )


@given(systems(), windows, st.booleans(), named, st.sampled_from(["own", "team"]))
@few
def test_every_layout_is_whole(couplings, kappa, minimal, name, rewards):
    how = ALGORITHMS[name]
    layout = how.layout_for(
        couplings, kappa, minimal, rewards if rewards in how.rewards else how.rewards[0]
    )
    n, terms, values = couplings.num_agents, layout.num_terms, layout.num_values
    assert layout.agents == couplings.agents
    assert layout.states.shape == layout.actions.shape == (terms, n)
    shared = rewards == "team" and "team" in how.rewards  # one row stands for all values
    assert layout.rewards.shape == (1 if shared else values, n)
    assert layout.credit.shape == (n, values)
    assert layout.states.dtype == layout.actions.dtype == bool
    if layout.mix is None:
        assert terms == values == (1 if name == "mappo" else n)
    else:
        assert layout.mix.shape == (values, terms)
    useful = layout.useful_credit().toarray()
    assert (useful.diagonal() > 0).all() if terms == values == n else (useful > 0).any(1).all()
    # An actor that climbs a term whose input it is not would climb a slope of zero.
    mix = np.eye(terms) if layout.mix is None else layout.mix.toarray()
    expected = (layout.credit.toarray() @ mix) * layout.actions.toarray().T
    np.testing.assert_array_equal(useful, expected)


@given(systems(), windows, st.booleans())
@few
def test_structured_and_undecomposed_differ_by_their_inputs_alone(couplings, kappa, minimal):
    d = value_dependency(couplings, kappa, minimal=minimal)
    a, b = structured(d), undecomposed(d)
    np.testing.assert_array_equal(a.states.toarray(), d.states.toarray())
    np.testing.assert_array_equal(a.actions.toarray(), d.actions.toarray())
    assert b.states.toarray().all() and b.actions.toarray().all()
    for layout in (a, b):
        np.testing.assert_array_equal(layout.rewards.toarray(), np.eye(couplings.num_agents))
        np.testing.assert_array_equal(layout.credit.toarray(), gradient_dependency(d).toarray())
    # Every critic that is climbed reads the climber's action, or its state and thus its action a
    # step later.
    assert ((a.credit.toarray().T > 0) <= (a.states.toarray() | a.actions.toarray())).all()


@given(systems(), windows, st.booleans())
@few
def test_summed_critics_predict_all_that_their_agent_moves(couplings, kappa, minimal):
    d = value_dependency(couplings, kappa, minimal=minimal)
    layout = summed(d)
    np.testing.assert_array_equal(layout.rewards.toarray(), gradient_dependency(d).toarray())
    np.testing.assert_array_equal(layout.credit.toarray(), np.eye(couplings.num_agents))
    # Summed before or after: agents climb the same rewards as with one critic for each of them.
    other = undecomposed(d)
    climbed = other.credit.toarray() @ other.rewards.toarray()
    np.testing.assert_array_equal(layout.credit.toarray() @ layout.rewards.toarray(), climbed)


@given(systems())
@few
def test_central_and_local_critics(couplings):
    n = couplings.num_agents
    for layout in (central(couplings), local(couplings)):
        np.testing.assert_array_equal(layout.rewards.toarray(), np.eye(n))
        np.testing.assert_array_equal(layout.credit.toarray(), np.eye(n))
    assert central(couplings).states.toarray().all() and central(couplings).actions.toarray().all()
    np.testing.assert_array_equal(
        local(couplings).states.toarray(), couplings.observation.toarray()
    )
    np.testing.assert_array_equal(local(couplings).actions.toarray(), np.eye(n))


@given(systems(), st.integers(0, 7))
@few
def test_neighbourhoods_are_shortest_paths(couplings, kappa):
    graph = nx.Graph()
    graph.add_nodes_from(range(couplings.num_agents))
    for name in GRAPHS:
        graph.add_edges_from(zip(*np.nonzero(getattr(couplings, name).toarray()), strict=True))
    steps = dict(nx.all_pairs_shortest_path_length(graph))
    expected = np.array(
        [[steps[i].get(j, np.inf) <= kappa for j in range(len(graph))] for i in range(len(graph))]
    )
    layout = neighbourhoods(couplings, kappa)
    np.testing.assert_array_equal(layout.states.toarray(), expected)
    np.testing.assert_array_equal(layout.actions.toarray(), expected)
    np.testing.assert_array_equal(layout.credit.toarray(), expected)
    everyone = ALGORITHMS["khop"].layout_for(couplings, None, True, "own").states.toarray()
    parts = [[j in steps[i] for j in range(len(graph))] for i in range(len(graph))]
    np.testing.assert_array_equal(everyone, parts)


@pytest.mark.parametrize("kappa", [0, 1, 2, 3, 5])
def test_neighbourhoods_on_a_ring_grow_by_two(kappa):
    sizes = neighbourhoods(ring(7), kappa).states.toarray().sum(1)
    assert (sizes == min(7, 2 * kappa + 1)).all()


@given(systems(), st.data())
@few
def test_terms_of_a_team_read_what_their_agents_observe(couplings, data):
    n, sees = couplings.num_agents, couplings.observation.toarray()
    everyone = list(combinations(range(n), 2))
    pairs = data.draw(st.lists(st.sampled_from(everyone), unique=True)) if everyone else []
    layout = team(couplings, pairs)
    for term, members in enumerate([(i,) for i in range(n)] + pairs):
        read = {j for i in members for j in np.flatnonzero(sees[i])}
        assert set(np.flatnonzero(layout.states.toarray()[term])) == read
        assert set(np.flatnonzero(layout.actions.toarray()[term])) == set(members)
    np.testing.assert_allclose(layout.rewards.toarray(), np.full((1, n), 1 / n))
    np.testing.assert_array_equal(layout.credit.toarray(), np.ones((n, 1)))
    assert layout.mix is not None
    mix = layout.mix.toarray()[0]
    np.testing.assert_allclose(mix[:n], 1 / n)
    np.testing.assert_allclose(mix[n:], 1 / max(len(pairs), 1))
    # Every agent climbs its utility and the payoffs of its pairs, each with its share of the team's
    # value.
    useful = layout.useful_credit().toarray()
    for i in range(n):
        own = {i} | {n + k for k, pair in enumerate(pairs) if i in pair}
        assert set(np.flatnonzero(useful[i])) == own
        np.testing.assert_allclose(useful[i, sorted(own)], mix[sorted(own)])


@given(systems())
@few
def test_coupling_graphs_give_the_pairs(couplings):
    layout = ALGORITHMS["qdcg-coupling"].layout_for(couplings, None, True, "team")
    n = couplings.num_agents
    found = {tuple(np.flatnonzero(row)) for row in layout.actions.toarray()[n:]}
    coupled = np.any([getattr(couplings, name).toarray() for name in GRAPHS], axis=0)
    expected = {(i, j) for i, j in combinations(range(n), 2) if coupled[i, j] or coupled[j, i]}
    assert found == expected and len(expected) == layout.num_terms - n


@given(systems(), windows, named)
@few
def test_team_rewards_are_a_mean(couplings, kappa, name):
    layout = ALGORITHMS[name].layout(couplings, kappa, True)
    shared = with_team_rewards(layout)
    assert shared.num_values == layout.num_values and len(shared.rewards.indptr) == 2
    np.testing.assert_allclose(shared.rewards.sum(1), 1.0)
    np.testing.assert_allclose(shared.rewards.toarray(), 1 / couplings.num_agents)
    for part in ("states", "actions", "credit"):
        np.testing.assert_array_equal(
            getattr(shared, part).toarray(), getattr(layout, part).toarray()
        )


@given(systems(), windows, named, st.data())
@few
def test_buckets_hold_every_term_once(couplings, kappa, name, data):
    n = couplings.num_agents
    sizes = st.lists(st.integers(1, 3), min_size=n, max_size=n).map(np.array)
    state_sizes, action_sizes = data.draw(sizes), data.draw(sizes)
    how = ALGORITHMS[name]
    layout = how.layout_for(couplings, kappa, True, how.rewards[0])
    buckets = layout.buckets(state_sizes, action_sizes)
    assert sorted(np.concatenate([bucket.terms for bucket in buckets])) == list(
        range(layout.num_terms)
    )
    useful, width = layout.useful_credit().toarray(), int(action_sizes.max())
    for bucket in buckets:
        for place, term in enumerate(bucket.terms):
            read = [
                j * state_sizes.max() + f
                for j in layout.states[[term]].indices
                for f in range(state_sizes[j])
            ]
            rows = bucket.state_rows[place]
            assert (
                rows[: len(read)].tolist() == read
                and (rows[len(read) :] == n * state_sizes.max()).all()
            )
            advised = bucket.slot_agents[place][bucket.slot_agents[place] < n]
            assert set(advised) == set(np.flatnonzero(useful[:, term]))
            for slot, agent in enumerate(advised):
                np.testing.assert_allclose(
                    bucket.slot_credit[place, slot], useful[agent, term], rtol=1e-6
                )
                actions = [agent * width + f for f in range(action_sizes[agent])]
                assert bucket.slot_rows[place, slot, : len(actions)].tolist() == actions
                columns = bucket.slot_columns[place, slot, : len(actions)]
                assert bucket.action_rows[place, columns].tolist() == actions
                np.testing.assert_allclose(
                    bucket.credit[place, columns], useful[agent, term], rtol=1e-6
                )


# Layouts that are one where couplings make them so


@given(st.integers(1, 6), st.none() | st.integers(1, 3))
@few
def test_on_complete_couplings_nothing_is_decomposed(n, kappa):
    d = value_dependency(complete(n), kappa)
    assert same(structured(d), undecomposed(d))
    assert same(structured(d), neighbourhoods(complete(n), kappa or n))
    coupled, every = (
        ALGORITHMS[f"qdcg-{name}"].layout(complete(n), None, True)
        for name in ("coupling", "centralised")
    )
    assert same(coupled, every)


@given(st.integers(1, 6), windows)
@few
def test_uncoupled_agents_are_on_their_own(n, kappa):
    alone = local(uncoupled(n))
    assert same(structured(value_dependency(uncoupled(n), kappa)), alone)
    assert same(neighbourhoods(uncoupled(n), 3), alone)
    assert same(summed(value_dependency(uncoupled(n), kappa)), central(uncoupled(n)))
    coupled, none = (
        ALGORITHMS[f"qdcg-{name}"].layout(uncoupled(n), None, True)
        for name in ("coupling", "decentralised")
    )
    assert same(coupled, none)


def test_for_one_agent_the_team_is_itself():
    for layout in (central(uncoupled(1)), local(uncoupled(1))):
        assert same(layout, with_team_rewards(layout))


@given(systems())
@few
def test_long_windows_are_exact(couplings):
    n = couplings.num_agents
    for minimal in (True, False):
        exact = structured(value_dependency(couplings, None, minimal=minimal))
        assert same(structured(value_dependency(couplings, n + 1, minimal=minimal)), exact)


def test_shapes_that_disagree_are_refused():
    layout = central(Couplings(2))
    with pytest.raises(UserError, match="credit of the critic layout"):
        CriticLayout(
            layout.agents, layout.states, layout.actions, layout.rewards, layout.credit[:1]
        )
    with pytest.raises(UserError, match="mix of the critic layout"):
        CriticLayout(
            layout.agents,
            layout.states,
            layout.actions,
            layout.rewards,
            layout.credit,
            layout.credit[:, :1],
        )


@given(systems(), st.booleans())
@few
def test_selfish_critics_read_what_structured_ones_do_and_advise_their_own_agent(
    couplings, minimal
):
    whole = structured(value_dependency(couplings, minimal=minimal))
    own = selfish(value_dependency(couplings, minimal=minimal))
    for part in ("states", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(own, part).toarray(), getattr(whole, part).toarray())
    np.testing.assert_array_equal(own.credit.toarray(), np.eye(couplings.num_agents))


@given(systems(), windows, st.booleans())
@few
def test_distances_are_the_windows_at_which_inputs_enter_and_others_are_apart(
    couplings, kappa, minimal
):
    layout = with_distances(
        structured(value_dependency(couplings, kappa, minimal=minimal)), couplings, kappa, minimal
    )
    sizes = np.ones(couplings.num_agents, int)
    n = couplings.num_agents
    earlier = [value_dependency(couplings, k, minimal=minimal) for k in range(n * n + 1)]
    for bucket in layout.buckets(sizes, sizes):
        rows = np.concatenate([bucket.state_rows, bucket.action_rows], axis=1)
        from_actions = np.arange(rows.shape[1]) >= bucket.state_rows.shape[1]
        assert bucket.distance is not None and bucket.distance.shape == rows.shape
        for place, term in enumerate(bucket.terms):
            for agent, is_action, distance in zip(
                rows[place], from_actions, bucket.distance[place], strict=True
            ):
                if agent < n:
                    of = "actions" if is_action else "states"
                    entered = [
                        k
                        for k, sets in enumerate(earlier)
                        if getattr(sets, of).toarray()[term, agent]
                    ]
                    assert distance == (max(entered[0], 1) if agent != term else entered[0])


def test_distances_of_many_agents_need_no_matrix_of_all():
    """A ring of thirty thousand: what is of size agents x agents would take gigabytes."""
    n = 30_000
    couplings = ring(n)
    layout = with_distances(structured(value_dependency(couplings, 2)), couplings, 2, True)
    (bucket,) = layout.buckets(np.ones(n, int), np.ones(n, int))
    assert bucket.distance is not None
    found, counts = np.unique(bucket.distance, return_counts=True)
    sets = [value_dependency(couplings, kappa) for kappa in range(3)]
    sizes = np.array([each.input_sizes(np.ones(n, int), np.ones(n, int)).sum() for each in sets])
    assert found.tolist() == [0, 1, 2] and counts.tolist() == np.diff(sizes, prepend=0).tolist()
