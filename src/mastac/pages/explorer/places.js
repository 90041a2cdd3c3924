// Where agents stand, in the unit of the picture: typical neighbours are 100 apart, y goes down.

const SPACING = 100,
  LANE = 15,
  LEGIBLE = 0.5; // pixels for a unit: from here on most names have room

function placesOf(flat) {
  const size = flat.length / 2,
    x = new Float64Array(size),
    y = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    x[i] = flat[2 * i];
    y[i] = -flat[2 * i + 1];
  }
  const gaps = nearestGaps(x, y)
    .filter((gap) => gap > 0)
    .sort((a, b) => a - b);
  const typical = gaps.length ? gaps[gaps.length >> 1] : 1,
    close = gaps.length ? gaps[gaps.length >> 4] : 1;
  const scale = SPACING / typical;
  for (let i = 0; i < size; i++) {
    x[i] *= scale;
    y[i] *= scale;
  }
  return { x, y, radius: Math.max(8, Math.min(17, 0.4 * close * scale)) };
}

function nearestGaps(x, y) {
  // The distance of each agent to the nearest other one, by a grid of cells.
  const size = x.length,
    side = Math.max(1, Math.floor(Math.sqrt(size)));
  const low = [Math.min(...x), Math.min(...y)];
  const width = Math.max(Math.max(...x) - low[0], Math.max(...y) - low[1], 1e-9) / side;
  const cells = new Map(),
    cell = (i) => [Math.floor((x[i] - low[0]) / width), Math.floor((y[i] - low[1]) / width)];
  for (let i = 0; i < size; i++) {
    const key = cell(i).join();
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(i);
  }
  return Array.from(x, (_, i) => {
    const [a, b] = cell(i);
    let best = Infinity;
    for (let reach = 1; reach <= side + 1 && best === Infinity; reach *= 2)
      for (let u = a - reach; u <= a + reach; u++)
        for (let v = b - reach; v <= b + reach; v++)
          for (const j of cells.get(`${u},${v}`) || [])
            if (j !== i) best = Math.min(best, Math.hypot(x[i] - x[j], y[i] - y[j]));
    return best === Infinity ? 0 : best;
  });
}

function inLanes(edges) {
  // Edges between the same two agents are bent apart: `bend` is how far, to the right of the way.
  const lanes = new Map();
  const key = (edge) =>
    `${Math.min(edge.source, edge.target)},${Math.max(edge.source, edge.target)}`;
  for (const edge of edges) {
    if (!lanes.has(key(edge))) lanes.set(key(edge), []);
    lanes.get(key(edge)).push(edge);
  }
  for (const lane of lanes.values())
    lane.forEach((edge, k) => {
      const shift = (k - (lane.length - 1) / 2) * LANE;
      edge.bend = edge.source < edge.target ? shift : -shift;
    });
  return edges;
}

function curveOf(edge, places, gap) {
  // A quadratic curve from rim to rim: start, control, end; its middle is `bend` off the line.
  const { x, y } = places,
    s = edge.source,
    t = edge.target;
  const dx = x[t] - x[s],
    dy = y[t] - y[s],
    length = Math.hypot(dx, dy) || 1;
  const bend = 2 * (edge.bend || 0);
  const control = [
    (x[s] + x[t]) / 2 - (bend * dy) / length,
    (y[s] + y[t]) / 2 + (bend * dx) / length,
  ];
  const off = (i) => {
    const ax = control[0] - x[i],
      ay = control[1] - y[i],
      away = Math.hypot(ax, ay) || 1;
    const step = Math.min(gap, away);
    return [x[i] + (ax / away) * step, y[i] + (ay / away) * step];
  };
  return { start: off(s), control, end: off(t) };
}
