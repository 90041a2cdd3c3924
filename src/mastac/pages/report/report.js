// What the reader does with the curves: choose, hide, zoom, and read off values.

const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const view = { data, kind: "greedy", axis: "epoch", range: null, hidden: new Set(), frame: null };

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function paint() {
  const place = get("chart"),
    drawn = drawChart(view, Math.max(240, place.clientWidth));
  view.frame = drawn.frame;
  place.replaceChildren(drawn.svg);
  for (const button of get("legend").children)
    button.setAttribute("aria-pressed", String(!view.hidden.has(Number(button.dataset.run))));
  get("all").disabled = !view.range && !view.hidden.size;
  get("zoom-out").disabled = !view.range;
  get("readout").textContent = readout(null);
}

function valueText(value) {
  return numberText(value, Math.abs(value) >= 1000 ? 1 : 0.01);
}

function readout(x) {
  // The values near a place; without one what the picture shows.
  const curves = view.frame.curves,
    what = view.kind === "greedy" ? "greedy policy" : "training episodes";
  if (x === null) {
    const windows = [...new Set(curves.map((curve) => curve.window))].filter((w) => w > 1);
    const points = view.kind === "greedy" ? "evaluations" : "epochs";
    const mean = windows.length
      ? ` Each point is a mean of up to ${Math.max(...windows)} ${points}.`
      : "";
    const band = curves.some((curve) => curve.low)
      ? " Bands: 95 % interval of the mean (Student's t)."
      : "";
    return `Return of the ${what}, mean over seeds.${band}${mean}`;
  }
  const parts = curves.map((curve) => {
    const k = nearest(curve, x);
    if (k < 0) return "";
    const half = curve.low && isKnown(curve.low[k]) ? curve.mean[k] - curve.low[k] : null;
    const spread = half === null ? "" : ` ± ${valueText(half)}`;
    return `${data.names[curve.run]}: ${valueText(curve.mean[k])}${spread}`;
  });
  const unit = view.axis === "epoch" ? "epoch" : "step";
  return `${unit} ${numberText(Math.round(x), 1)} — ${parts.filter(Boolean).join("; ")}`;
}

function nearest(curve, x) {
  let best = -1;
  curve.at.forEach((at, k) => {
    if (!isKnown(curve.mean[k])) return;
    if (best < 0 || Math.abs(at - x) < Math.abs(curve.at[best] - x)) best = k;
  });
  return best;
}

function zoomTo(left, right) {
  // The least range holds a few points, and none lies outside of what there is.
  const [first, last] = wholeRange(view),
    least = (last - first) / 200,
    width = Math.max(right - left, least);
  if (width >= last - first) view.range = null;
  else {
    const start = Math.min(Math.max(left, first), last - width);
    view.range = [start, start + width];
  }
  paint();
}

function zoomBy(factor) {
  const [left, right] = view.range || wholeRange(view),
    middle = (left + right) / 2,
    half = (right - left) / factor / 2;
  zoomTo(middle - half, middle + half);
}

function moveBy(share) {
  if (!view.range) return;
  const [left, right] = view.range,
    step = share * (right - left);
  zoomTo(left + step, right + step);
}

function showAll() {
  view.range = null;
  view.hidden.clear();
  paint();
}

function bindChoices() {
  const kinds = new Set(data.curves.map((curve) => curve.kind));
  if (!kinds.has("greedy")) view.kind = "training";
  for (const option of get("kind").options) option.disabled = !kinds.has(option.value);
  get("kind").value = view.kind;
  get("kind").addEventListener("change", (event) => {
    view.kind = event.target.value;
    paint();
  });
  for (const option of get("axis").options)
    option.disabled = !data.curves.some((curve) => curve[option.value]);
  get("axis").addEventListener("change", (event) => {
    view.axis = event.target.value;
    view.range = null;
    paint();
  });
  for (const button of get("legend").children)
    button.addEventListener("click", () => {
      const run = Number(button.dataset.run);
      if (!view.hidden.delete(run)) view.hidden.add(run);
      paint();
    });
  get("zoom-in").addEventListener("click", () => zoomBy(2));
  get("zoom-out").addEventListener("click", () => zoomBy(0.5));
  get("all").addEventListener("click", showAll);
}

function bindChart() {
  const place = get("chart");
  let start = null;
  const at = (event) => {
    const { left, right } = view.frame.area;
    const x = event.clientX - place.getBoundingClientRect().left;
    return Math.min(Math.max(x, left), right);
  };
  place.addEventListener("pointerdown", (event) => {
    start = at(event);
    place.setPointerCapture(event.pointerId);
  });
  place.addEventListener("pointermove", (event) => {
    const x = at(event),
      cross = place.querySelector(".cross"),
      chosen = place.querySelector(".chosen");
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    cross.setAttribute("visibility", "visible");
    get("readout").textContent = readout(view.frame.fromX(x));
    if (start === null) return;
    chosen.setAttribute("x", Math.min(start, x));
    chosen.setAttribute("width", Math.abs(x - start));
  });
  place.addEventListener("pointerup", (event) => {
    const x = at(event),
      first = start;
    start = null;
    if (first !== null && Math.abs(x - first) >= FEWEST_PIXELS)
      zoomTo(view.frame.fromX(Math.min(first, x)), view.frame.fromX(Math.max(first, x)));
  });
  const leave = () => {
    start = null;
    paint();
  };
  place.addEventListener("pointercancel", leave);
  place.addEventListener("pointerleave", leave);
  place.addEventListener("dblclick", showAll);
  place.addEventListener("keydown", (event) => {
    const does = {
      "+": () => zoomBy(2),
      "-": () => zoomBy(0.5),
      ArrowLeft: () => moveBy(-0.25),
      ArrowRight: () => moveBy(0.25),
      Escape: showAll,
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}

if (data.curves.length) {
  bindChoices();
  bindChart();
  new ResizeObserver(paint).observe(get("chart"));
  paint();
}
window.report = { view };
