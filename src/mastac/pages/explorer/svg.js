// Shapes as the text of an SVG file.

function paintSvg(shapes, width, height, legend) {
  // The text of an SVG file; the legend stands below the picture.
  const space = "http://www.w3.org/2000/svg",
    below = legend.length ? 12 + 20 * legend.length : 0;
  const add = (parent, name, attributes, text) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = cleanText(text);
    parent.append(element);
    return element;
  };
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({
    width,
    height: height + below,
    viewBox: `0 0 ${width} ${height + below}`,
    "font-family": FONT,
    "font-size": FONT_SIZE,
  }))
    svg.setAttribute(key, value);
  add(svg, "rect", { width, height: height + below, fill: "#fff" });
  const clip = add(add(svg, "defs", {}), "clipPath", { id: "picture" });
  add(clip, "rect", { width, height });
  const picture = add(svg, "g", { "clip-path": "url(#picture)" });
  const digits = (number) => Math.round(number * 100) / 100;
  const list = (points) => points.map(([x, y]) => `${digits(x)},${digits(y)}`).join(" ");
  for (const shape of shapes) {
    if (shape.kind === "veil") {
      add(picture, "rect", { width, height, fill: "#fff", "fill-opacity": VEIL });
    } else if (shape.kind === "curve") {
      const [start, control, end] = shape.points;
      add(picture, "path", {
        d: `M${list([start])}Q${list([control, end])}`,
        fill: "none",
        stroke: shape.color,
        "stroke-width": digits(shape.width),
        ...(shape.dash ? { "stroke-dasharray": "7 4" } : {}),
      });
      for (const arrow of arrowsOf(shape))
        add(picture, "polygon", { points: list(arrow), fill: shape.color });
    } else if (shape.kind === "dot") {
      add(picture, "circle", {
        cx: digits(shape.x),
        cy: digits(shape.y),
        r: digits(shape.radius),
        fill: shape.fill,
        stroke: shape.stroke,
        "stroke-width": digits(shape.width),
        opacity: shape.alpha === undefined ? 1 : shape.alpha,
      });
    } else {
      add(
        picture,
        "text",
        {
          x: digits(shape.x),
          y: digits(shape.y),
          "text-anchor": "middle",
          fill: shape.color,
          stroke: "#fff",
          "stroke-width": 3,
          "paint-order": "stroke",
          "font-weight": shape.bold ? "bold" : "normal",
        },
        shape.text,
      );
    }
  }
  legend.forEach((entry, k) => {
    const y = height + 20 * k + 16;
    const mark = add(svg, "g", { transform: `translate(12 ${y - 10})` });
    mark.append(...legendMark(entry).childNodes);
    add(svg, "text", { x: 60, y, fill: "#333" }, entry.text);
  });
  return new XMLSerializer().serializeToString(svg);
}

function legendMark(entry) {
  // A small drawing for an entry of the legend.
  const space = "http://www.w3.org/2000/svg",
    svg = document.createElementNS(space, "svg");
  const add = (name, attributes) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    svg.append(element);
  };
  svg.setAttribute("width", entry.stops ? 66 : 28);
  svg.setAttribute("height", 12);
  svg.setAttribute("aria-hidden", "true");
  if (entry.stops)
    entry.stops.forEach((color, k) =>
      add("rect", { x: 3 * k, y: 1, width: 3.3, height: 10, fill: color }),
    );
  else if (entry.dot)
    add("circle", {
      cx: 14,
      cy: 6,
      r: 5,
      fill: entry.fill || tint(entry.color),
      stroke: entry.color,
      "stroke-width": 2,
    });
  else {
    add("line", {
      x1: 1,
      y1: 6,
      x2: 20,
      y2: 6,
      stroke: entry.color,
      "stroke-width": 2.5,
      ...(entry.dash ? { "stroke-dasharray": "5 3" } : {}),
    });
    add("polygon", { points: "27,6 19,2 19,10", fill: entry.color });
  }
  return svg;
}

// Characters that XML cannot hold.
function cleanText(text) {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
}
