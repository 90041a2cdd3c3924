// Scenes as shapes in pixels, and shapes on a canvas or as SVG.

const FONT = '"DejaVu Sans", "Segoe UI", system-ui, sans-serif',
  FONT_SIZE = 12,
  VEIL = 0.78;

function shapesOf(page, scene, width, height, measure, isWhole) {
  // `isWhole`: with the edges and agents that the library draws on the screen.
  const frame = page.view.frame(),
    { places, colors } = page,
    radius = shownRadius(page);
  const point = ([x, y]) => [x * frame.scale + frame.x, y * frame.scale + frame.y];
  const at = (i) => point([places.x[i], places.y[i]]);
  const shapes = [];
  const curve = (edge, pixels) => {
    const { start, control, end } = curveOf(edge, places, (radius + 1.5) / frame.scale);
    const points = [start, control, end].map(point);
    if (reaches(points, width, height))
      shapes.push({
        kind: "curve",
        points,
        color: edge.color,
        width: pixels,
        dash: edge.dash,
        both: edge.both,
      });
  };
  const dot = (i, marks) => {
    const [x, y] = at(i);
    if (x > -radius && y > -radius && x < width + radius && y < height + radius)
      shapes.push({ kind: "dot", x, y, radius, ...marks });
  };
  if (isWhole) {
    for (const edge of page.base) curve(edge, Math.max(0.6, Math.min(4, 2 * frame.scale)));
    for (let i = 0; i < page.system.size; i++)
      dot(i, { fill: page.fills[i], stroke: colors.ink, width: Math.max(0.5, radius / 10) });
  }
  if (scene.veil) shapes.push({ kind: "veil", width, height });
  const thin = Math.max(0.4, Math.min(1, radius / 10)); // lines of small pictures
  for (const edge of scene.edges) curve(edge, edge.width * thin);
  for (const ring of scene.rings) {
    const fill = ring.fill || (choiceHasValues(page) ? page.fills[ring.agent] : tint(ring.color));
    if (ring.outer)
      dot(ring.agent, {
        fill: "none",
        stroke: ring.color,
        width: 2.5 * thin,
        radius: radius + 4 * thin,
      });
    else
      dot(ring.agent, {
        fill,
        stroke: ring.color,
        width: ring.width * thin,
        alpha: ring.faint ? 0.35 : 1,
      });
  }
  const { placed, hidden } = placeLabels(scene, page, frame, width, height, measure);
  for (const label of placed)
    label.lines.forEach((text, k) =>
      shapes.push({
        kind: "text",
        text,
        x: label.x + label.width / 2,
        y: label.y + label.lineHeight * (k + 0.78),
        bold: label.bold,
        color: k ? "#555" : colors.ink,
      }),
    );
  return { shapes, placed, hidden };
}

function choiceHasValues(page) {
  return page.choice.color >= 0;
}

function reaches(points, width, height) {
  const xs = points.map(([x]) => x),
    ys = points.map(([, y]) => y);
  return (
    Math.max(...xs) > 0 &&
    Math.max(...ys) > 0 &&
    Math.min(...xs) < width &&
    Math.min(...ys) < height
  );
}

function tint(color) {
  // The color on white paper, thinned.
  const part = (k) => Math.round(255 - 0.45 * (255 - parseInt(color.slice(k, k + 2), 16)));
  return `rgb(${part(1)},${part(3)},${part(5)})`;
}

function arrowsOf({ points, width, both }) {
  const [start, control, end] = points;
  return both
    ? [arrowOf(start, control, width), arrowOf(end, control, width)]
    : [arrowOf(end, control, width)];
}

function arrowOf(end, control, width) {
  const angle = Math.atan2(end[1] - control[1], end[0] - control[0]),
    size = 4 + 2 * width;
  const corner = (turn) => [
    end[0] - size * Math.cos(angle + turn),
    end[1] - size * Math.sin(angle + turn),
  ];
  return [end, corner(0.42), corner(-0.42)];
}

function paintCanvas(context, shapes) {
  for (const shape of shapes) {
    if (shape.kind === "veil") {
      context.fillStyle = `rgba(255,255,255,${VEIL})`;
      context.fillRect(0, 0, shape.width, shape.height);
    } else if (shape.kind === "curve") {
      const [start, control, end] = shape.points;
      context.strokeStyle = context.fillStyle = shape.color;
      context.lineWidth = shape.width;
      context.setLineDash(shape.dash ? [7, 4] : []);
      context.beginPath();
      context.moveTo(...start);
      context.quadraticCurveTo(...control, ...end);
      context.stroke();
      context.setLineDash([]);
      context.beginPath();
      for (const arrow of arrowsOf(shape))
        arrow.forEach((corner, k) => (k ? context.lineTo(...corner) : context.moveTo(...corner)));
      context.fill();
    } else if (shape.kind === "dot") {
      context.globalAlpha = shape.alpha === undefined ? 1 : shape.alpha;
      context.beginPath();
      context.arc(shape.x, shape.y, shape.radius, 0, 2 * Math.PI);
      if (shape.fill !== "none") {
        context.fillStyle = shape.fill;
        context.fill();
      }
      context.strokeStyle = shape.stroke;
      context.lineWidth = shape.width;
      context.stroke();
      context.globalAlpha = 1;
    } else {
      context.font = fontOf(shape.bold);
      context.textAlign = "center";
      context.lineWidth = 3;
      context.strokeStyle = "#fff";
      context.fillStyle = shape.color;
      context.strokeText(shape.text, shape.x, shape.y);
      context.fillText(shape.text, shape.x, shape.y);
    }
  }
}

function fontOf(bold) {
  return `${bold ? "bold " : ""}${FONT_SIZE}px ${FONT}`;
}

const SCALE = ["#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838"]; // cividis

function shade(share) {
  // The colour at a share from 0 to 1.
  const place = share * (SCALE.length - 1),
    k = Math.min(Math.floor(place), SCALE.length - 2);
  const part = (color, at) => parseInt(color.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map((at) => {
    const low = part(SCALE[k], at),
      high = part(SCALE[k + 1], at);
    return Math.round(low + (high - low) * (place - k))
      .toString(16)
      .padStart(2, "0");
  });
  return `#${mixed.join("")}`;
}
