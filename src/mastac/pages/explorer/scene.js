// What is lit: marks over the picture, the same for the screen and for the saved SVG.

const LIGHTS = { depends: "Depends on", moves: "Moves", messages: "Messages" };
const MOST_LIT = 400; // lines of messages that are drawn at once
const MOST_TRIED = 300; // names for which a free place is sought
const MOST_BENT = 1500; // edges beyond are straight lines, and one line where they lead both ways

function baseEdges(page) {
  // The edges of the chosen graph, and what is left out.
  const { system, choice } = page;
  const names = choice.graph === "all" ? page.graphNames : [choice.graph];
  const time = choice.time,
    total = names.reduce((sum, name) => sum + system.at(time)[name].numEdges(), 0);
  let notes = [],
    edges = [];
  const colored =
    (name) =>
    ([source, target]) => ({ source, target, graph: name, color: page.colors[name] });
  if (total <= MOST_EDGES) {
    edges = names.flatMap((name) => system.edges(name, time).map(colored(name)));
  } else if (choice.agent === null) {
    notes = [
      `None of the ${count(total)} edges is drawn, which are too many: choose one agent.`,
    ];
  } else {
    edges = names.flatMap((name) => system.edgesOf(name, time, choice.agent).map(colored(name)));
    notes = [`Of ${count(total)} edges only those of the chosen agent are drawn.`];
    if (edges.length > MOST_EDGES) {
      notes = [`Of ${count(total)} edges only ${count(MOST_EDGES)} of the chosen agent are drawn.`];
      edges = edges.slice(0, MOST_EDGES);
    }
  }
  return { edges: edges.length <= MOST_BENT ? inLanes(edges) : merged(edges), notes };
}

function merged(edges) {
  // Two edges of one graph that lead both ways become one line.
  const kept = new Map();
  for (const edge of edges) {
    const back = kept.get(`${edge.graph},${edge.target},${edge.source}`);
    if (back) back.both = true;
    else kept.set(`${edge.graph},${edge.source},${edge.target}`, edge);
  }
  return [...kept.values()];
}

function sceneOf(page) {
  // { veil, edges, rings, labels }: labels that come first are placed first.
  const { choice, found } = page;
  const scene = { veil: choice.agent !== null, edges: [], rings: [], labels: [], notes: [] };
  if (choice.query)
    matchesOf(page, choice.query).forEach((i) =>
      scene.rings.push({ agent: i, color: page.colors.ink, width: 2 }),
    );
  if (choice.agent === null) {
    scene.labels = page.order.map((agent) => ({ agent, text: page.system.agents[agent] }));
    return scene;
  }
  scene.labels.push({ agent: choice.agent, text: page.system.agents[choice.agent], bold: true });
  if (choice.light === "messages") lightMessages(page, scene);
  else lightSet(page, scene, choice.light === "depends");
  scene.rings.push({
    agent: choice.agent,
    color: page.colors.ink,
    fill: page.colors.ink,
    width: 3,
  });
  return scene;
}

function lightSet(page, scene, isOwn) {
  // The set of the chosen agent, or the agents whose values it moves; and the ways there.
  const { choice, found, colors } = page;
  const color = isOwn ? colors.value : colors.gradient;
  const within = isOwn
    ? found.members.filter((member) => member.from <= choice.kappa)
    : movedBy(found, choice.kappa).map((agent) => ({ agent }));
  const onPath = new Set();
  if (choice.member !== null) {
    const nodes = page.pathOf(choice.member);
    for (const edge of nodes ? edgesOfPath(nodes) : []) {
      scene.edges.push(lit(page, edge, 4));
      onPath.add(edge.source).add(edge.target);
    }
    if (nodes) onPath.add(choice.member);
  } else if (isOwn) {
    for (const edge of edgesOfPaths(page.system, within)) scene.edges.push(lit(page, edge, 2.5));
  }
  for (const { agent } of within) {
    if (agent === choice.agent) continue;
    scene.rings.push({ agent, color, width: 3, faint: onPath.size > 0 && !onPath.has(agent) });
  }
  const first = [...onPath].filter((agent) => agent !== choice.agent);
  for (const agent of first) scene.rings.push({ agent, color: colors.ink, width: 3, outer: true });
  const others = within
    .map(({ agent }) => agent)
    .filter((agent) => agent !== choice.agent && !onPath.has(agent));
  for (const agent of onPath.size ? first : others)
    scene.labels.push({ agent, text: page.system.agents[agent] });
}

function lit(page, edge, width) {
  // A lit edge lies on the drawn one, if that is there.
  const graph = page.graphOf(edge.graph),
    drawn = page.drawn.get(`${graph},${edge.source},${edge.target}`);
  return { ...edge, graph, color: page.colors[graph], width, bend: drawn ? drawn.bend || 0 : 0 };
}

function lightMessages(page, scene) {
  const { choice, colors } = page;
  const partners = [...page.partners()].sort(
    (a, b) => traffic(b) - traffic(a) || a.agent - b.agent,
  );
  const shown = partners.slice(0, MOST_LIT),
    few = partners.length <= 30;
  if (shown.length < partners.length)
    scene.notes.push(
      `${count(shown.length)} of ${count(partners.length)} partners are drawn, ` +
        "those with most to send.",
    );
  for (const partner of shown) {
    const { agent } = partner,
      one = partner.step_from + partner.sample_from > 0;
    const other = partner.step_to + partner.sample_to > 0,
      bend = one && other ? LANE / 2 : 0;
    if (one)
      scene.edges.push({
        source: agent,
        target: choice.agent,
        color: colors.ink,
        width: 2,
        bend,
        dash: true,
      });
    if (other)
      scene.edges.push({
        source: choice.agent,
        target: agent,
        color: colors.ink,
        width: 2,
        bend,
        dash: true,
      });
    scene.rings.push({ agent, color: colors.ink, width: 2 });
    const numbers = `sends ${partner.step_from}, gets ${partner.step_to}`;
    scene.labels.push({ agent, text: page.system.agents[agent], more: few ? numbers : "" });
  }
}

function traffic(partner) {
  return partner.step_from + partner.step_to;
}

function placeLabels(scene, page, frame, width, height, measure) {
  // Labels beside their agents, none over another; those without a free place are left out.
  const { places } = page,
    radius = shownRadius(page),
    boxes = [],
    placed = [],
    HEIGHT = 15;
  const cells = new Map(),
    CELL = 60;
  const touched = (box) => {
    const keys = [];
    for (let u = Math.floor(box[0] / CELL); u <= Math.floor(box[2] / CELL); u++)
      for (let v = Math.floor(box[1] / CELL); v <= Math.floor(box[3] / CELL); v++)
        keys.push(u * 1e4 + v);
    return keys;
  };
  const add = (box) =>
    touched(box).forEach((key) => {
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(box);
    });
  const free = (box) =>
    box[0] >= 0 &&
    box[1] >= 0 &&
    box[2] <= width &&
    box[3] <= height &&
    touched(box).every((key) =>
      (cells.get(key) || []).every(
        (other) =>
          box[2] <= other[0] || other[2] <= box[0] || box[3] <= other[1] || other[3] <= box[1],
      ),
    );
  const at = (i) => [places.x[i] * frame.scale + frame.x, places.y[i] * frame.scale + frame.y];
  const standing = scene.veil
    ? new Set([...scene.rings.map((r) => r.agent), ...scene.labels.map((l) => l.agent)])
    : places.x.keys();
  for (const i of standing) {
    const [x, y] = at(i),
      r = 0.8 * radius;
    if (x > -99 && y > -99 && x < width + 99 && y < height + 99) add([x - r, y - r, x + r, y + r]);
  }
  let hidden = 0,
    tried = 0;
  for (const label of scene.labels) {
    const [x, y] = at(label.agent);
    if (x < 0 || y < 0 || x > width || y > height) continue;
    if (++tried > MOST_TRIED) {
      hidden++;
      continue;
    }
    const lines = label.more ? [shortName(label.text), label.more] : [shortName(label.text)];
    const wide = 6 + Math.max(...lines.map((line) => measure(line, label.bold))),
      high = HEIGHT * lines.length;
    const gap = radius + 4;
    const spots = [
      [x - wide / 2, y + gap],
      [x - wide / 2, y - gap - high],
      [x + gap, y - high / 2],
      [x - gap - wide, y - high / 2],
    ];
    // The chosen agent is named wherever it stands.
    const spot =
      spots.find(([left, top]) => free([left, top, left + wide, top + high])) ||
      (label.bold && spots[0]);
    if (!spot) {
      hidden++;
      continue;
    }
    add([spot[0], spot[1], spot[0] + wide, spot[1] + high]);
    placed.push({
      ...label,
      lines,
      x: spot[0],
      y: spot[1],
      width: wide,
      height: high,
      lineHeight: HEIGHT,
    });
  }
  return { placed, hidden };
}

function shownRadius(page) {
  return Math.max(3, page.view.radius());
}
function shortName(text) {
  return text.length > 28 ? `${text.slice(0, 18)}…${text.slice(-9)}` : text;
}
const FORMAT = new Intl.NumberFormat("en");
function count(number) {
  return FORMAT.format(number);
}
