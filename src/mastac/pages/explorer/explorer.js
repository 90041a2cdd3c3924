// What is chosen, and what follows from it.

const REACH = 8; // pixels

const data = JSON.parse(document.getElementById("data").textContent);
const system = new System(data);
const page = {
  data,
  system,
  places: placesOf(data.places),
  // Many agents are small on the screen, where pale ones could not be seen.
  colors: { ...data.colors, node: system.size > 150 ? "#b8b8b8" : "#f4f4f4" },
  graphNames: system.graphNames(),
  lowered: data.agents.map((name) => name.toLowerCase()),
  titles: {
    state: "state",
    observation: "observation",
    reward: "reward",
    action: "action",
    reward_action: "reward by action",
  },
  choice: {
    agent: null,
    member: null,
    kappa: data.kappa === null ? system.lastKappa : Math.min(data.kappa, system.lastKappa),
    time: 0,
    graph: "all",
    light: "depends",
    color: data.values.length ? 0 : -1,
    query: "",
  },
  found: null,
  base: [],
  drawn: new Map(),
  fills: [],
  range: null,
  listAll: false,
  notes: [],
  widths: new Map(),

  choose(changes) {
    const before = { ...this.choice },
      { choice } = this;
    Object.assign(choice, changes);
    const changed = (...keys) => keys.some((key) => choice[key] !== before[key]);
    if (changed("agent")) choice.member = null;
    if (changed("agent", "light")) this.listAll = false;
    if (changed("agent", "time"))
      this.found = choice.agent === null ? null : lookUp(system, choice.agent, choice.time);
    if (choice.member !== null && !this.pathOf(choice.member)) choice.member = null;
    if (changed("graph", "time") || (changed("agent") && this.notes.length)) this.drawEdges();
    if (changed("color")) this.fill();
    showControls(this);
    if (changed("agent", "member", "kappa", "time", "light")) showPanel(this);
    this.paint();
  },

  // The agent at a point of the picture, or next to it: small ones are hard to hit.
  nearest({ x, y }) {
    const frame = this.view.frame();
    let best = null,
      least = Math.max(REACH, shownRadius(this));
    for (let i = 0; i < system.size; i++) {
      const across = this.places.x[i] * frame.scale + frame.x - x;
      const away = Math.hypot(across, this.places.y[i] * frame.scale + frame.y - y);
      if (away < least) {
        best = i;
        least = away;
      }
    }
    return best;
  },

  drawEdges() {
    const { edges, notes } = baseEdges(this);
    this.base = edges;
    this.notes = notes;
    this.drawn = new Map(
      edges.map((edge) => [`${edge.graph},${edge.source},${edge.target}`, edge]),
    );
    this.view.setEdges(edges);
  },

  fill() {
    // The colours of agents, by a figure of each.
    const { values } = data,
      shown = values[this.choice.color];
    this.fills = new Array(system.size).fill(this.colors.node);
    if (shown) {
      const known = shown.numbers.filter((number) => number !== null);
      const low = Math.min(...known),
        high = Math.max(...known);
      this.range = { low, high, name: shown.name, missing: known.length < system.size };
      this.fills = shown.numbers.map((number) =>
        number === null ? "#ffffff" : shade(high > low ? (number - low) / (high - low) : 0.5),
      );
    }
    this.view.setColors(this.fills);
  },

  // The graph that is shown for an edge of a path: graphs that are the same bear one name.
  graphOf(name) {
    if (this.graphNames.includes(name)) return name;
    return name === "action" ? "state" : "reward";
  },

  // The path that is told of another agent: of its place in the set, or of why its value is moved.
  pathOf(other) {
    const { choice } = this;
    if (choice.light === "depends") {
      const member = this.found.members.find(({ agent }) => agent === other);
      return member && member.from <= choice.kappa ? member.path() : null;
    }
    const set = membersOf(system, other, choice.time);
    const member = set.find(({ agent }) => agent === choice.agent);
    return member && member.action <= choice.kappa ? member.actionPath() : null;
  },

  partners() {
    return partnersOf(system, this.found, this.choice.kappa);
  },
  costs() {
    return costsOf(system, this.found);
  },

  resize() {
    const picture = document.getElementById("picture");
    this.size = { width: picture.clientWidth, height: picture.clientHeight };
  },

  // The width of a text in pixels, letter by letter: to measure every name would take long.
  measure(text, bold) {
    let width = 0;
    for (const letter of text) {
      const key = bold ? `b${letter}` : letter;
      if (!this.widths.has(key)) {
        this.context.font = fontOf(bold);
        this.widths.set(key, this.context.measureText(letter).width);
      }
      width += this.widths.get(key);
    }
    return width;
  },

  paint() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.paintNow();
    });
  },

  paintNow() {
    const { width, height } = this.size,
      { canvas } = this.context,
      ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    this.context.scale(ratio, ratio);
    const scene = sceneOf(this),
      { shapes, placed, hidden } = shapesOf(this, scene, width, height, this.measure, false);
    paintCanvas(this.context, shapes);
    this.labels = placed;
    const marks = legendOf(this).map((entry) => make("li", {}, legendMark(entry), entry.text));
    document.getElementById("legend").replaceChildren(...marks);
    const left = hidden ? [`${plural(hidden, "name")} left out for want of room: zoom in.`] : [];
    document.getElementById("notes").textContent = [...this.notes, ...scene.notes, ...left].join(
      " ",
    );
  },
};

page.meanings = {
  state: page.graphNames.includes("action")
    ? "state enters the next state"
    : "state and action enter the next state",
  observation: "state is seen by the policy",
  reward: page.graphNames.includes("reward_action")
    ? "state enters the reward"
    : "state and action enter the reward",
  action: "action enters the next state",
  reward_action: "action enters the reward",
};

// Agents with most edges are named first.
function byDegree() {
  const degree = new Int32Array(system.size),
    now = system.at(0);
  for (const name of page.graphNames)
    for (let i = 0; i < system.size; i++) {
      const sources = now[name].sources(i);
      degree[i] += sources.length;
      if (sources.length < system.size) for (const j of sources) degree[j]++;
    }
  return Array.from(degree.keys()).sort((a, b) => degree[b] - degree[a] || a - b);
}

// Where many edges would lie over each other, one graph is shown at first.
const numEdges = (name) => system.at(0)[name].numEdges();
if (page.graphNames.reduce((sum, name) => sum + numEdges(name), 0) > MOST_BENT)
  page.choice.graph =
    page.graphNames.find((name) => numEdges(name) > 0 && numEdges(name) <= MOST_EDGES) || "all";
page.order = byDegree();
page.measure = page.measure.bind(page);
page.context = document.getElementById("overlay").getContext("2d");
document.title = `${data.title}: who affects whom`;
document.getElementById("title").textContent = `${data.title}: who affects whom`;
bindControls(page);
showControls(page);
page.view = makeView(document.getElementById("picture"), page.places, page.colors, {
  click: (at) => page.choose({ agent: page.nearest(at) }),
  move: () => page.paint(),
});
page.resize();
page.fill();
page.view.fit();
if (data.agent !== null) page.choose({ agent: data.agent });
else showPanel(page);
page.paintNow();
// Agents are seen first, and many edges a moment later.
if (system.size <= 150) page.drawEdges();
else
  requestAnimationFrame(() =>
    setTimeout(() => {
      page.drawEdges();
      page.paint();
    }),
  );
document.getElementById("picture").addEventListener("mousemove", (event) => {
  const box = event.currentTarget.getBoundingClientRect();
  const over = page.nearest({ x: event.clientX - box.x, y: event.clientY - box.y });
  event.currentTarget.style.cursor = over === null ? "grab" : "pointer";
});
new ResizeObserver(() => {
  page.resize();
  page.view.resize();
  page.paint();
}).observe(document.getElementById("picture"));
window.explorer = {
  page,
  sceneOf,
  svg: () => svgText(page),
  System,
  lookUp,
  movedBy,
  costsOf,
  partnersOf,
  pathText,
};
