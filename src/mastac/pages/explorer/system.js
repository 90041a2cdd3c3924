// The couplings as the page holds them: for each kind of step, five graphs, row depends on column.

const STATE = 0,
  ACTION = 1,
  SEEN = 2,
  REWARD = 3; // SEEN: a state as a policy sees it
const GRAPHS = ["state", "observation", "reward", "action", "reward_action"];
const KINDS = ["state", "action", "state", "reward"];

class Graph {
  // Row i lists the agents that affect agent i, in the order of the matrix in Python.
  constructor(counts, indices, everyone) {
    this.size = counts.length;
    this.full = [];
    this.rows = new Array(this.size);
    let place = 0;
    counts.forEach((count, row) => {
      if (count < 0) {
        // everyone, which is not written out
        this.full.push(row);
        this.rows[row] = everyone;
      } else {
        this.rows[row] = indices.subarray(place, place + count);
        place += count;
      }
    });
  }

  sources(row) {
    return this.rows[row];
  }

  // For each agent the rows that it is in; rows that hold everyone are left out.
  get targets() {
    if (!this.columns) {
      const columns = Array.from({ length: this.size }, () => []);
      const full = new Set(this.full);
      this.rows.forEach((sources, row) => {
        if (!full.has(row)) for (const source of sources) columns[source].push(row);
      });
      this.columns = columns;
    }
    return this.columns;
  }

  // The rows that any of some agents is in.
  forward(agents) {
    const reached = new Set();
    for (const agent of agents) for (const row of this.targets[agent]) reached.add(row);
    if (agents.size) for (const row of this.full) reached.add(row);
    return reached;
  }

  numEdges() {
    return this.rows.reduce((sum, sources) => sum + sources.length, -this.size);
  }
}

class System {
  constructor(data) {
    this.agents = data.agents;
    this.size = data.agents.length;
    this.stateSizes = data.state_sizes;
    this.actionSizes = data.action_sizes;
    this.hidden = data.hidden;
    this.kappas = data.windows.map((row) => row.kappa);
    this.lastKappa = this.kappas[this.kappas.length - 1];
    this.exactFrom = data.exact_from;
    const everyone = Int32Array.from({ length: this.size }, (_, i) => i);
    this.steps = data.steps.map((step) => {
      const graphs = {};
      for (const [name, graph] of Object.entries(step)) {
        graphs[name] =
          typeof graph === "string"
            ? graphs[graph]
            : new Graph(graph.counts, Int32Array.from(graph.indices), everyone);
      }
      return graphs;
    });
    this.kinds = data.kinds; // of each time; null where the couplings are always the same
    this.horizon = this.kinds ? this.kinds.length - 1 : 0;
  }

  at(time) {
    return this.steps[this.kinds ? this.kinds[time] : 0];
  }

  isExact(kappa) {
    return this.exactFrom !== null && kappa >= this.exactFrom;
  }

  // The graphs that are not the same as another one, at some time.
  graphNames() {
    const names = ["state", "observation", "reward"];
    if (this.steps.some((step) => step.action !== step.state)) names.push("action");
    if (this.steps.some((step) => step.reward_action !== step.reward)) names.push("reward_action");
    return names;
  }

  // The edges [source, target] of one graph, without self-loops.
  edges(name, time) {
    const graph = this.at(time)[name],
      edges = [];
    for (let target = 0; target < this.size; target++)
      for (const source of graph.sources(target))
        if (source !== target) edges.push([source, target]);
    return edges;
  }

  // Only the edges of one agent.
  edgesOf(name, time, agent) {
    const graph = this.at(time)[name],
      edges = [];
    for (const source of graph.sources(agent)) if (source !== agent) edges.push([source, agent]);
    for (const row of graph.forward(new Set([agent]))) if (row !== agent) edges.push([agent, row]);
    return edges;
  }
}
