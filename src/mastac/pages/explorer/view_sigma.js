// Many agents and edges drawn by sigma.js, which also pans, zooms, and tells where was clicked.

const MOST_EDGES = 60000,
  DOT = 2.2,
  LINE = 0.7; // pixels, when all is shown

function makeView(container, places, colors, on) {
  const graph = new graphology.MultiDirectedGraph({ allowSelfLoops: false });
  // y goes up here.
  for (let i = 0; i < places.x.length; i++)
    graph.addNode(String(i), { x: places.x[i], y: -places.y[i], size: DOT, color: colors.node });
  const sigma = new Sigma(graph, container, {
    settings: {
      autoRescale: "once",
      itemSizesReference: "screen",
      minEdgeThickness: LINE,
      renderLabels: false,
      renderEdgeLabels: false,
      enableCameraRotation: false,
      stagePadding: 36,
      hideEdgesOnMove: true,
    },
  });
  for (const kind of ["clickNode", "clickStage"]) sigma.on(kind, ({ event }) => on.click(event));
  sigma.on("afterRender", on.move);
  const camera = sigma.getCamera();

  return {
    sigma,
    setEdges(edges) {
      graph.clearEdges();
      edges.forEach((edge, k) =>
        graph.addEdgeWithKey(`e${k}`, String(edge.source), String(edge.target), {
          color: edge.color,
          size: LINE,
        }),
      );
    },
    setColors(fills) {
      graph.updateEachNodeAttributes(
        (node, attributes) => ({ ...attributes, color: fills[Number(node)] }),
        { attributes: ["color"] },
      );
    },
    radius: () => sigma.scaleSize(DOT),
    frame() {
      const zero = sigma.graphToViewport({ x: 0, y: 0 }),
        far = sigma.graphToViewport({ x: 1000, y: 0 });
      return { scale: (far.x - zero.x) / 1000, x: zero.x, y: zero.y };
    },
    resize() {
      sigma.resize();
    },
    fit() {
      camera.setState({ x: 0.5, y: 0.5, ratio: 1 });
    },
    zoomBy(factor) {
      camera.setState({ ratio: camera.getState().ratio / factor });
    },
    goTo(i) {
      const { x, y } = sigma.getNodeDisplayData(String(i));
      const closer = Math.min(1, this.frame().scale / LEGIBLE);
      camera.setState({ x, y, ratio: camera.getState().ratio * closer });
    },
  };
}
