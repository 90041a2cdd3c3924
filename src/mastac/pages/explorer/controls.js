// Search, sliders, menus and buttons.

const MOST_MATCHES = 8;

function matchesOf(page, query) {
  // Agents whose names hold the text; those that begin with it first.
  const wanted = query.trim().toLowerCase();
  if (!wanted) return [];
  const found = page.lowered.flatMap((name, i) => (name.includes(wanted) ? [i] : []));
  const rank = (i) => (page.lowered[i] === wanted ? 0 : page.lowered[i].startsWith(wanted) ? 1 : 2);
  return found.sort((a, b) => rank(a) - rank(b) || a - b);
}

function bindControls(page) {
  const get = (id) => document.getElementById(id),
    { system, choice } = page;
  bindSearch(page, get("search"), get("matches"));
  get("kappa").max = system.lastKappa;
  get("kappa").addEventListener("input", (event) =>
    page.choose({ kappa: Number(event.target.value) }),
  );
  if (system.kinds) {
    get("time-control").hidden = false;
    get("time").max = system.horizon;
    get("time").addEventListener("input", (event) =>
      page.choose({ time: Number(event.target.value) }),
    );
  }
  const options = [
    ["all", "all graphs"],
    ...page.graphNames.map((name) => [name, page.titles[name]]),
  ];
  get("graph").append(...options.map(([value, text]) => make("option", { value }, text)));
  get("graph").addEventListener("change", (event) => page.choose({ graph: event.target.value }));
  if (page.data.values.length) {
    get("color-control").hidden = false;
    get("color").append(
      make("option", { value: -1 }, "all alike"),
      ...page.data.values.map(({ name }, k) => make("option", { value: k }, name)),
    );
    get("color").addEventListener("change", (event) =>
      page.choose({ color: Number(event.target.value) }),
    );
  }
  get("zoom-in").addEventListener("click", () => page.view.zoomBy(1.4));
  get("zoom-out").addEventListener("click", () => page.view.zoomBy(1 / 1.4));
  get("fit").addEventListener("click", () => page.view.fit());
  get("export").addEventListener("click", () => save(page));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape")
      page.choose(choice.member === null ? { agent: null } : { member: null });
  });
}

function bindSearch(page, input, list) {
  const pick = (i) => {
    input.value = "";
    list.hidden = true;
    page.choose({ agent: i, query: "" });
    page.view.goTo(i);
  };
  const update = () => {
    const matches = matchesOf(page, input.value),
      more = matches.length - MOST_MATCHES;
    list.replaceChildren(
      ...matches
        .slice(0, MOST_MATCHES)
        .map((i) =>
          make(
            "li",
            {},
            make(
              "button",
              { type: "button", click: () => pick(i) },
              make("bdi", {}, page.system.agents[i]),
            ),
          ),
        ),
    );
    if (more > 0) list.append(make("li", { class: "small" }, `and ${count(more)} more`));
    if (input.value.trim() && !matches.length)
      list.append(make("li", { class: "small" }, "no agent has this in its name"));
    list.hidden = !list.children.length;
    page.choose({ query: input.value });
  };
  input.addEventListener("input", update);
  input.addEventListener("keydown", (event) => {
    const first = matchesOf(page, input.value)[0];
    if (event.key === "Enter" && first !== undefined) pick(first);
    if (event.key === "Escape") {
      input.value = "";
      update();
      event.stopPropagation();
    }
  });
}

function showControls(page) {
  const get = (id) => document.getElementById(id),
    { choice, system } = page;
  get("kappa").value = choice.kappa;
  const isCut = system.exactFrom === null && choice.kappa === system.lastKappa;
  get("kappa-text").textContent =
    kappaName(page, choice.kappa) + (isCut ? " (larger ones are left out)" : "");
  get("time").value = choice.time;
  get("time-text").textContent = choice.time;
  get("graph").value = choice.graph;
  get("color").value = choice.color;
}

function svgText(page) {
  const { width, height } = page.size;
  const { shapes } = shapesOf(page, sceneOf(page), width, height, page.measure, true);
  return paintSvg(shapes, width, height, legendOf(page));
}

function save(page) {
  const address = URL.createObjectURL(new Blob([svgText(page)], { type: "image/svg+xml" }));
  const name =
    page.choice.agent === null ? "graph" : `graph-${page.system.agents[page.choice.agent]}`;
  make("a", {
    href: address,
    download: `${name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80)}.svg`,
  }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function legendOf(page) {
  const { choice, colors, system } = page,
    entries = [];
  const names = choice.graph === "all" ? page.graphNames : [choice.graph];
  const drawn = names.filter((name) => system.at(choice.time)[name].numEdges() > 0);
  for (const name of drawn) entries.push({ color: colors[name], text: page.meanings[name] });
  // Where agents are coloured by a figure, only their rims tell.
  const fill = choiceHasValues(page) ? "#ffffff" : undefined;
  if (choice.agent !== null) {
    entries.push({ dot: true, color: colors.ink, fill: colors.ink, text: "chosen agent" });
    if (choice.light === "depends")
      entries.push({ dot: true, color: colors.value, text: "its value depends on these", fill });
    if (choice.light === "moves")
      entries.push({
        dot: true,
        color: colors.gradient,
        fill,
        text: "its policy moves the values of these",
      });
    if (choice.light === "messages")
      entries.push({ color: colors.ink, dash: true, text: "sends numbers while training" });
  }
  if (choiceHasValues(page)) {
    const { low, high, name } = page.range,
      run = page.data.origin ? ` (run ${page.data.origin})` : "";
    entries.push({
      stops: Array.from({ length: 22 }, (_, k) => shade(k / 21)),
      text: `${name}${run}: ${shortNumber(low)} to ${shortNumber(high)}`,
    });
    if (page.range.missing)
      entries.push({ dot: true, color: colors.pale, fill: "#ffffff", text: "not known" });
  }
  return entries;
}
