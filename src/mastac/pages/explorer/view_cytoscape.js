// Agents and edges drawn by cytoscape.js, which also pans, zooms, and tells where was clicked.

const MOST_EDGES = 6000;

function makeView(container, places, colors, on) {
  const nodes = Array.from(places.x, (_, i) => ({
    group: "nodes",
    data: { id: String(i), color: colors.node },
    position: { x: places.x[i], y: places.y[i] },
  }));
  const cy = cytoscape({
    container,
    elements: nodes,
    layout: { name: "preset", fit: false },
    style: [
      {
        selector: "node",
        style: {
          width: 2 * places.radius,
          height: 2 * places.radius,
          "background-color": "data(color)",
          "border-width": places.radius / 10,
          "border-color": colors.ink,
          "overlay-opacity": 0,
          events: "no", // the page looks for the nearest agent itself, and nothing is redrawn
        },
      },
      { selector: "core", style: { "active-bg-opacity": 0 } },
      {
        selector: "edge",
        style: {
          width: 2,
          "curve-style": "straight",
          "target-arrow-shape": "triangle",
          "arrow-scale": 0.7,
          "overlay-opacity": 0,
          events: "no",
        },
      },
      {
        selector: "edge.bent",
        style: {
          "curve-style": "unbundled-bezier",
          "control-point-weights": 0.5,
          "control-point-distances": (edge) => 2 * edge.data("bend"),
        },
      },
      // The library draws this kind quickest; arrows stand in the middle.
      {
        selector: "edge.many",
        style: {
          "curve-style": "haystack",
          "haystack-radius": 0,
          "mid-target-arrow-shape": "triangle",
        },
      },
      { selector: "edge.both", style: { "mid-target-arrow-shape": "none" } },
      ...GRAPHS.map((graph) => ({
        selector: `edge.${graph}`,
        style: {
          "line-color": colors[graph],
          "target-arrow-color": colors[graph],
          "mid-target-arrow-color": colors[graph],
        },
      })),
    ],
    autoungrabify: true,
    autounselectify: true,
    boxSelectionEnabled: false,
    textureOnViewport: places.x.length > 300,
    minZoom: 0.01,
    maxZoom: 20,
  });
  cy.on("tap", (event) => on.click(event.renderedPosition));
  cy.on("viewport resize", on.move);

  return {
    cy,
    setEdges(edges) {
      cy.batch(() => {
        cy.edges().remove();
        const many = edges.length > MOST_BENT;
        cy.add(
          edges.map((edge, k) => ({
            group: "edges",
            data: {
              id: `e${k}`,
              source: String(edge.source),
              target: String(edge.target),
              bend: edge.bend,
            },
            classes: [edge.graph, many && "many", edge.both && "both", edge.bend && "bent"].filter(
              Boolean,
            ),
          })),
        );
      });
    },
    setColors(fills) {
      cy.batch(() => cy.nodes().forEach((node, i) => node.data("color", fills[i])));
    },
    radius: () => places.radius * cy.zoom(),
    frame() {
      const pan = cy.pan();
      return { scale: cy.zoom(), x: pan.x, y: pan.y };
    },
    resize() {
      cy.resize();
    },
    fit() {
      cy.fit(undefined, 36);
      if (cy.zoom() > 1.5) {
        cy.zoom(1.5);
        cy.center();
      }
    },
    zoomBy(factor) {
      const middle = { x: cy.width() / 2, y: cy.height() / 2 };
      cy.zoom({ level: cy.zoom() * factor, renderedPosition: middle });
    },
    goTo(i) {
      cy.zoom(Math.max(cy.zoom(), LEGIBLE));
      cy.center(cy.getElementById(String(i)));
    },
  };
}
