// The curves: what is in view, and an SVG of it. Names are set as text, never as markup.

const SPACE = "http://www.w3.org/2000/svg";
const FEWEST_PIXELS = 8; // a shorter drag is a click
const LETTER = 7; // pixels of a digit, at most

function shape(name, attributes, text) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function isKnown(value) {
  return value !== null && value !== undefined;
}

function ticksOf(low, high, most) {
  // Round numbers between low and high.
  const rough = (high - low) / Math.max(1, most),
    power = 10 ** Math.floor(Math.log10(rough)),
    step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999),
    ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    ticks.push(k * step);
  return ticks;
}

function numberText(value, step) {
  const digits = Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return text.replace(/^-(?=[0.,]*$)/, "").replace("-", "−");
}

function shownCurves(view) {
  // The curves of the chosen kind whose runs are not hidden, with their places on the chosen axis.
  return view.data.curves
    .filter((curve) => curve.kind === view.kind && !view.hidden.has(curve.run))
    .filter((curve) => curve[view.axis])
    .map((curve) => ({ ...curve, at: curve[view.axis] }));
}

function wholeRange(view) {
  const ends = view.data.curves
    .filter((curve) => curve[view.axis])
    .map((curve) => curve[view.axis].at(-1));
  return [0, Math.max(1, ...ends)];
}

function heightRange(view, curves, [left, right]) {
  // Where the curves in view go. Of the whole, what comes early and far below is cut off.
  const isWhole = !view.range,
    all = [],
    later = [];
  for (const { at, mean, low, high } of curves) {
    at.forEach((x, k) => {
      if (x < left || x > right || !isKnown(mean[k])) return;
      const values = [mean[k], low && low[k], high && high[k]].filter(isKnown);
      all.push(...values);
      if (x >= (left + right) / 2) later.push(mean[k]);
    });
  }
  const scale = isWhole ? view.data.frame : [];
  if (!all.length && !scale.length) return [-1, 1];
  let low = all.concat(scale).reduce((a, b) => Math.min(a, b));
  const top = all.concat(scale).reduce((a, b) => Math.max(a, b));
  if (isWhole && later.length) {
    const matters = later.concat(scale).reduce((a, b) => Math.min(a, b));
    low = Math.max(low, matters - 0.7 * (top - matters || Math.abs(top) || 1));
  }
  const span = top - low || Math.abs(top) || 1;
  return [low - 0.05 * span, top + 0.08 * span];
}

function frameOf(view, width) {
  // Places of everything, and the scales of both axes.
  const height = width < 600 ? 270 : 380,
    curves = shownCurves(view),
    [x0, x1] = view.range || wholeRange(view),
    [y0, y1] = heightRange(view, curves, [x0, x1]),
    rows = ticksOf(y0, y1, height / 55),
    columns = ticksOf(x0, x1, width / 110),
    rowStep = rows.length > 1 ? rows[1] - rows[0] : 1,
    columnStep = columns.length > 1 ? columns[1] - columns[0] : 1,
    rowTexts = rows.map((y) => numberText(y, rowStep)),
    left = 14 + LETTER * Math.max(...rowTexts.map((text) => text.length), 3),
    right = width < 700 ? 24 : 215,
    area = { left, top: 14, right: width - right, bottom: height - 44 };
  const toX = (x) => area.left + ((x - x0) / (x1 - x0)) * (area.right - area.left);
  const toY = (y) => area.bottom - ((y - y0) / (y1 - y0)) * (area.bottom - area.top);
  const fromX = (px) => x0 + ((px - area.left) / (area.right - area.left)) * (x1 - x0);
  const columnTexts = columns.map((x) => numberText(x, Math.max(1, columnStep)));
  return {
    ...{ width, height, area, curves, toX, toY, fromX, x0, x1, y0, y1 },
    ...{ rows, rowTexts, columns, columnTexts },
  };
}

function pathOf(frame, xs, ys) {
  // A line that is broken where a value is unknown.
  let path = "",
    isOpen = false;
  xs.forEach((x, k) => {
    if (!isKnown(ys[k])) return void (isOpen = false);
    path += `${isOpen ? "L" : "M"}${frame.toX(x).toFixed(1)} ${frame.toY(ys[k]).toFixed(1)}`;
    isOpen = true;
  });
  return path;
}

function bandOf(frame, { at, low, high }) {
  const known = at.map((_, k) => k).filter((k) => isKnown(low[k]) && isKnown(high[k]));
  if (known.length < 2) return "";
  const pick = (list) => known.map((k) => list[k]);
  const back = pathOf(frame, pick(at).reverse(), pick(low).reverse());
  return `${pathOf(frame, pick(at), pick(high))}L${back.slice(1)}Z`;
}

function drawAxes(svg, frame, view) {
  const { area } = frame;
  frame.rows.forEach((y, k) => {
    const at = frame.toY(y);
    svg.append(
      shape("line", { x1: area.left, x2: area.right, y1: at, y2: at, class: "grid" }),
      shape("text", { x: area.left - 7, y: at + 4, class: "tick end" }, frame.rowTexts[k]),
    );
  });
  frame.columns.forEach((x, k) => {
    const at = frame.toX(x);
    svg.append(
      shape("line", { x1: at, x2: at, y1: area.bottom, y2: area.bottom + 4, class: "axis" }),
      shape("text", { x: at, y: area.bottom + 18, class: "tick middle" }, frame.columnTexts[k]),
    );
  });
  svg.append(
    shape("line", {
      ...{ x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom },
      class: "axis",
    }),
    shape(
      "text",
      { x: (area.left + area.right) / 2, y: frame.height - 6, class: "tick middle" },
      view.axis === "epoch" ? "epoch (episodes of a seed)" : "environment steps of a seed",
    ),
  );
}

function drawReferences(svg, frame, references) {
  // Broken lines with labels at the right, moved apart where they would overlap.
  const shown = references.filter(({ value }) => value >= frame.y0 && value <= frame.y1);
  const labels = frame.width < 700 ? [] : shown.map((entry) => ({ ...entry }));
  for (const { value } of shown) {
    const at = frame.toY(value);
    svg.append(
      shape("line", {
        ...{ x1: frame.area.left, x2: frame.area.right, y1: at, y2: at },
        class: "reference",
      }),
    );
  }
  labels.sort((a, b) => b.value - a.value);
  let last = -Infinity;
  for (const label of labels) last = label.at = Math.max(frame.toY(label.value) + 4, last + 15);
  let limit = frame.height - 26;
  for (const label of labels.reverse()) limit = (label.at = Math.min(label.at, limit)) - 15;
  for (const { at, name, text } of labels) {
    const short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
    const label = shape("text", { x: frame.area.right + 8, y: at, class: "tick" }, "");
    label.append(shape("title", {}, name), document.createTextNode(`${short} ${text}`));
    svg.append(label);
  }
}

function drawChart(view, width) {
  const frame = frameOf(view, width);
  const svg = shape("svg", { width, height: frame.height, "aria-hidden": "true" });
  const { area } = frame;
  const clip = shape("clipPath", { id: "inside" });
  clip.append(
    shape("rect", {
      ...{ x: area.left, y: area.top - 8 },
      ...{ width: area.right - area.left, height: area.bottom - area.top + 8 },
    }),
  );
  svg.append(clip);
  drawAxes(svg, frame, view);
  const inside = shape("g", { "clip-path": "url(#inside)" });
  for (const curve of frame.curves)
    if (curve.low)
      inside.append(shape("path", { d: bandOf(frame, curve), class: `band run-${curve.run % 7}` }));
  for (const curve of frame.curves)
    inside.append(
      shape("path", {
        d: pathOf(frame, curve.at, curve.mean),
        class: `curve run-${curve.run % 7} dash-${Math.floor(curve.run / 7) % 3}`,
        "data-run": curve.run,
      }),
    );
  svg.append(inside);
  drawReferences(svg, frame, view.data.references);
  svg.append(
    shape("line", { class: "cross", y1: area.top, y2: area.bottom, visibility: "hidden" }),
    shape("rect", { class: "chosen", y: area.top, height: area.bottom - area.top, width: 0 }),
  );
  return { svg, frame };
}
