// Dependency sets of one agent by search through the graphs, as mastac.structure.paths finds them.
// A place is (steps before the reward * agents + agent) * 4 + kind.

function* walkBack(system, couplingsBefore, row, onward, onlyNew) {
  // Step by step back in time from a reward: the states and actions at which a path may begin.
  const size = system.size,
    walked = new Set();
  let needed = [row * 4 + REWARD];
  for (let steps = 0; needed.length; steps++) {
    const now = couplingsBefore(steps);
    const from = (kind, graph, targets) => sourcesOf(size, kind, graph, targets, steps, onward);
    const states = from(STATE, steps ? now.state : now.reward, needed);
    const actions = from(ACTION, steps ? now.action : now.reward_action, needed);
    const seen = from(SEEN, now.observation, actions);
    yield { states, actions };
    const best = new Map();
    for (const place of [...states, ...seen]) {
      const agent = agentOf(place, size),
        other = best.get(agent);
      if (other === undefined || onward.get(place)[0] < onward.get(other)[0])
        best.set(agent, place);
    }
    needed = [];
    for (const [agent, place] of best) {
      if (!(onlyNew && walked.has(agent))) needed.push(place);
      walked.add(agent);
    }
  }
}

function agentOf(place, size) {
  return Math.floor(place / 4) % size;
}
function stepsOf(place, size) {
  return Math.floor(place / 4 / size);
}

function sourcesOf(size, kind, graph, targets, steps, onward) {
  // The places with an edge to one of the targets; shortest ways on are written into onward.
  const places = new Set();
  for (const target of targets) {
    const length = onward.get(target)[0] + 1;
    for (const source of graph.sources(agentOf(target, size))) {
      const place = (steps * size + source) * 4 + kind,
        known = onward.get(place);
      if (known === undefined || length < known[0]) onward.set(place, [length, target]);
      places.add(place);
    }
  }
  return [...places];
}

function* searches(system, row, at) {
  // For each delay of the reward: where shortest paths to it may begin, and how they go on.
  if (!system.kinds) {
    const onward = new Map([[row * 4 + REWARD, [0, null]]]);
    let delay = 0;
    for (const begins of walkBack(system, () => system.at(0), row, onward, true)) {
      if (delay > system.lastKappa) return;
      yield { delay: delay++, begins, onward };
    }
    return;
  }
  const last = Math.min(system.horizon - at, system.lastKappa);
  for (let delay = 0; delay <= last; delay++) {
    const onward = new Map([[row * 4 + REWARD, [0, null]]]);
    const before = (steps) => system.at(at + delay - steps);
    const walk = walkBack(system, before, row, onward, false);
    let begins = { states: [], actions: [] };
    for (let steps = 0; steps <= delay; steps++) begins = walk.next().value;
    yield { delay, begins, onward };
  }
}

function membersOf(system, row, at) {
  // Every member of the set: from which kappa on, and its state, and its action; its shortest path,
  // and the shortest that begins with its action.
  const size = system.size,
    members = new Map();
  for (const { delay, begins, onward } of searches(system, row, at)) {
    const rank = (place) => [onward.get(place)[0], place % 4, agentOf(place, size)];
    const ends = [...begins.states, ...begins.actions].map((place) => [rank(place), place]);
    ends.sort(([a], [b]) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    for (const [, place] of ends) {
      const agent = agentOf(place, size);
      const path = () => pathFrom(place, onward, size, at + delay);
      const fresh = { agent, from: delay, state: Infinity, action: Infinity, place, onward, path };
      if (!members.has(agent)) members.set(agent, fresh);
      const member = members.get(agent);
      const kind = place % 4 === STATE ? "state" : "action";
      if (kind === "action" && member.action === Infinity) member.actionPath = path;
      member[kind] = Math.min(member[kind], delay);
    }
  }
  return [...members.values()];
}

function pathFrom(place, onward, size, rewardTime) {
  // The nodes [kind, agent, time] of a path.
  const nodes = [];
  for (; place !== null; place = onward.get(place)[1])
    nodes.push([KINDS[place % 4], agentOf(place, size), rewardTime - stepsOf(place, size)]);
  return nodes;
}

function pathText(system, nodes) {
  // The path as text; steps in which a state only stays with its agent are told together.
  const start = nodes[0][2],
    runs = [];
  const clock = (time) => (time > start ? `t+${time - start}` : "t");
  for (const [kind, agent, time] of nodes) {
    const last = runs[runs.length - 1];
    if (last && last.kind === kind && last.agent === agent) last.until = time;
    else runs.push({ kind, agent, since: time, until: time });
  }
  return runs
    .map(
      ({ kind, agent, since, until }) =>
        `${kind} of ${system.agents[agent]} ` +
        (since === until ? `at ${clock(since)}` : `from ${clock(since)} to ${clock(until)}`),
    )
    .join(" -> ");
}

// The graph that an edge of a path belongs to, by the kinds of its ends.
const GRAPH_OF = {
  "state state": "state",
  "action state": "action",
  "state action": "observation",
  "state reward": "reward",
  "action reward": "reward_action",
};

function edgesOfPath(nodes) {
  // The edges { graph, source, target } that a path takes from one agent to another.
  const edges = [];
  for (let k = 1; k < nodes.length; k++) {
    const [kind, source] = nodes[k - 1],
      [next, target] = nodes[k];
    if (source !== target) edges.push({ graph: GRAPH_OF[`${kind} ${next}`], source, target });
  }
  return edges;
}

function edgesOfPaths(system, members) {
  // Every edge that the path of some member takes, once; paths that have met go on together.
  const { size } = system,
    seen = new Map(),
    edges = new Map();
  for (const { place, onward } of members) {
    if (!seen.has(onward)) seen.set(onward, new Set());
    const walked = seen.get(onward);
    for (let here = place; here !== null && !walked.has(here);) {
      walked.add(here);
      const next = onward.get(here)[1];
      if (next !== null) {
        const source = agentOf(here, size),
          target = agentOf(next, size);
        const graph = GRAPH_OF[`${KINDS[here % 4]} ${KINDS[next % 4]}`];
        if (source !== target) edges.set(`${graph},${source},${target}`, { graph, source, target });
      }
      here = next;
    }
  }
  return edges.values();
}

function readersOf(system, agent, at, kind) {
  // For each agent whose set reads the state, or the action, of one: from which kappa on.
  const levels = new Map(),
    walked = new Set(),
    now = system.at(at);
  const mark = (rows, level) => {
    for (const row of rows) if (!levels.has(row)) levels.set(row, level);
  };
  const own = new Set([agent]);
  mark((kind === "state" ? now.reward : now.reward_action).forward(own), 0);
  let frontier = (kind === "state" ? now.state : now.action).forward(own);
  const last = system.kinds ? Math.min(system.horizon - at, system.lastKappa) : system.lastKappa;
  for (let level = 1; level <= last && frontier.size; level++) {
    const next = system.at(system.kinds ? at + level : 0);
    const acting = next.observation.forward(frontier);
    mark(next.reward.forward(frontier), level);
    mark(next.reward_action.forward(acting), level);
    const reached = new Set([...next.state.forward(frontier), ...next.action.forward(acting)]);
    frontier = system.kinds ? reached : new Set([...reached].filter((row) => !walked.has(row)));
    for (const row of frontier) walked.add(row);
  }
  return levels;
}

function lookUp(system, row, at) {
  // Everything that the page tells of one agent at one time, for every kappa.
  return {
    row,
    at,
    members: membersOf(system, row, at),
    stateReaders: readersOf(system, row, at, "state"),
    actionReaders: readersOf(system, row, at, "action"),
  };
}

function movedBy(found, kappa) {
  // The agents whose values the policy of one moves, by its action.
  const moved = [...found.actionReaders].filter(([, level]) => level <= kappa);
  return moved.map(([row]) => row).sort((a, b) => a - b);
}

function costsOf(system, found) {
  // For each kappa of the table: agents in the set, numbers that the critic reads, its weights.
  const [first = 1] = system.hidden,
    widths = [...system.hidden, 1];
  let constant = widths.reduce((sum, width) => sum + width, 0);
  for (let k = 1; k < widths.length; k++) constant += widths[k - 1] * widths[k];
  return system.kappas.map((kappa) => {
    let agents = 0,
      inputs = 0;
    for (const member of found.members) {
      agents += member.from <= kappa;
      inputs +=
        (member.state <= kappa) * system.stateSizes[member.agent] +
        (member.action <= kappa) * system.actionSizes[member.agent];
    }
    return { kappa, agents, inputs, parameters: inputs * first + constant };
  });
}

function partnersOf(system, found, kappa) {
  // With whom an agent exchanges numbers while training, as mastac.analysis.messages counts them.
  const { row, at } = found,
    observation = system.at(at).observation;
  const within = (levels) =>
    new Set([...levels].filter(([, level]) => level <= kappa).map(([i]) => i));
  const reads = {
    seen: new Set(observation.sources(row)),
    state: new Set(found.members.filter((m) => m.state <= kappa).map((m) => m.agent)),
    action: new Set(found.members.filter((m) => m.action <= kappa).map((m) => m.agent)),
  };
  const readBy = {
    seen: observation.forward(new Set([row])),
    state: within(found.stateReaders),
    action: within(found.actionReaders),
  };
  const others = new Set(
    [...Object.values(reads), ...Object.values(readBy)].flatMap((s) => [...s]),
  );
  others.delete(row);
  const ownState = system.stateSizes[row],
    ownAction = system.actionSizes[row];
  return [...others]
    .sort((a, b) => a - b)
    .map((agent) => {
      const state = system.stateSizes[agent],
        action = system.actionSizes[agent];
      const read = reads.action.has(agent),
        isRead = readBy.action.has(agent);
      return {
        agent,
        step_from: state * (reads.seen.has(agent) || reads.state.has(agent)) + action * read,
        step_to:
          ownState * (readBy.seen.has(agent) || readBy.state.has(agent)) + ownAction * isRead,
        sample_from: 2 * action * read + ownAction * isRead,
        sample_to: action * read + 2 * ownAction * isRead,
      };
    });
}
