// The text beside the graph. Names are set as text, never as markup.

const MOST_LISTED = 60;

function showPanel(page) {
  const panel = document.getElementById("panel");
  panel.replaceChildren(...(page.choice.agent === null ? systemText(page) : agentText(page)));
}

function systemText(page) {
  const { data, system } = page,
    isSequence = system.kinds !== null;
  const edges = page.graphNames.map((name) => [
    page.titles[name],
    count(system.at(page.choice.time)[name].numEdges()),
  ]);
  const parts = [
    make("h2", {}, plural(system.size, "agent")),
    make(
      "p",
      {},
      "Click an agent, or find one by name, to see its set, why, its critic and its messages.",
    ),
    make("h3", {}, isSequence ? `Edges at time ${page.choice.time}` : "Edges"),
    tableOf(["graph", "number"], edges),
    make("h3", {}, "What each κ costs"),
    make(
      "p",
      { class: "small" },
      "κ is how many steps ahead rewards count. A set holds the agents that a value depends on." +
        (isSequence ? " The table is of the union of all times." : ""),
    ),
    tableOf(
      ["κ", "median set", "largest", "all weights", "saved"],
      data.windows.map((row) => [
        kappaName(page, row.kappa),
        count(row.agents.median),
        count(row.agents.largest),
        brief(row.parameters),
        `${(100 * row.saving).toFixed(1)} %`,
      ]),
      (k) => isNearest(page, k),
    ),
    make(
      "p",
      { class: "small" },
      `Saved against central critics, which have ${count(data.central.parameters)} weights.`,
    ),
  ];
  if (data.messages)
    parts.push(
      make("h3", {}, "What has to be sent"),
      make(
        "p",
        {},
        `To act: ${plural(data.running.messages, "message")} with ` +
          `${plural(data.running.numbers, "number")} each step, whatever κ.`,
      ),
      tableOf(
        ["κ", "numbers a step of training", "numbers a sample"],
        data.messages.map((row) => [
          kappaName(page, row.kappa),
          brief(row.step.numbers),
          brief(row.sample.numbers),
        ]),
        (k) => isNearest(page, k),
      ),
    );
  parts.push(
    make("h3", {}, "What to train first"),
    make("p", {}, make("code", {}, data.advice.command)),
    make("p", {}, data.advice.why),
  );
  return parts;
}

function agentText(page) {
  const { system, choice } = page,
    i = choice.agent;
  const tabs = Object.entries(LIGHTS).map(([light, text]) =>
    make(
      "button",
      {
        type: "button",
        "data-light": light,
        "aria-pressed": String(choice.light === light),
        click: () => page.choose({ light, member: null }),
      },
      text,
    ),
  );
  const parts = [
    make(
      "div",
      { class: "heading" },
      make("h2", {}, make("bdi", {}, system.agents[i])),
      make(
        "button",
        {
          type: "button",
          id: "clear",
          "aria-label": "Choose no agent",
          click: () => page.choose({ agent: null }),
        },
        "×",
      ),
    ),
    make(
      "p",
      { class: "small" },
      `${plural(system.stateSizes[i], "number")} of state, ` +
        `${plural(system.actionSizes[i], "number")} of action.`,
    ),
    ...valuesText(page, i),
    make("div", { class: "tabs", role: "group" }, ...tabs),
  ];
  if (choice.light === "messages") parts.push(...messagesText(page));
  else parts.push(...setText(page, choice.light === "depends"));
  return [...parts, ...costText(page)];
}

function valuesText(page, i) {
  return page.data.values.map(({ name, numbers }) =>
    make(
      "p",
      { class: "small" },
      `${name}: ${numbers[i] === null ? "not known" : shortNumber(numbers[i])}`,
    ),
  );
}

function setText(page, isOwn) {
  const { system, choice, found } = page,
    window = `κ = ${kappaName(page, choice.kappa)}`;
  const rows = isOwn
    ? found.members.filter((member) => member.from <= choice.kappa)
    : movedBy(found, choice.kappa).map((agent) => ({
        agent,
        from: found.actionReaders.get(agent),
      }));
  const others = rows.length - (rows.some((row) => row.agent === choice.agent) ? 1 : 0);
  const sentence = isOwn
    ? `With ${window} its value depends on ${plural(others, "other agent")} and itself.`
    : `With ${window} its policy moves the values of ${plural(others, "other agent")} and its own.`;
  const item = (row) => {
    const chosen = choice.member === row.agent,
      more = [make("span", {}, make("bdi", {}, system.agents[row.agent]))];
    if (isOwn) more.push(make("span", { class: "small" }, readText(row, choice.kappa)));
    more.push(make("span", { class: "small" }, `from κ = ${row.from}`));
    const line = make(
      "li",
      {},
      make(
        "button",
        {
          type: "button",
          "data-agent": row.agent,
          "aria-expanded": String(chosen),
          click: () => page.choose({ member: chosen ? null : row.agent }),
        },
        ...more,
      ),
    );
    if (chosen) line.append(...pathLines(page, row.agent));
    return line;
  };
  return [
    make(
      "p",
      {},
      sentence,
      " ",
      make("span", { class: "small" }, "Click one for the path that explains it."),
    ),
    longList(page, rows, item, choice.member),
  ];
}

function readText(member, kappa) {
  const kinds = ["state", "action"].filter((kind) => member[kind] <= kappa);
  return kinds.join(" and ");
}

function pathLines(page, other) {
  const nodes = page.pathOf(other);
  if (!nodes) return [];
  const start = nodes[0][2],
    clock = (time) => (time > start ? `t+${time - start}` : "t");
  const steps = nodes.map(([kind, agent, time]) =>
    make("li", {}, `${kind} of `, make("bdi", {}, page.system.agents[agent]), ` at ${clock(time)}`),
  );
  return [make("ol", { class: "path" }, ...steps)];
}

function longList(page, rows, item, chosen) {
  // The first rows, the chosen one too, and a button for the others.
  const shown = page.listAll
    ? rows
    : rows.filter((row, k) => k < MOST_LISTED || row.agent === chosen);
  const list = make("ul", { class: "members" }, ...shown.map(item));
  if (shown.length < rows.length)
    list.append(
      make(
        "li",
        {},
        make(
          "button",
          {
            type: "button",
            id: "list-all",
            click: () => {
              page.listAll = true;
              showPanel(page);
            },
          },
          make("span", {}, `List all ${count(rows.length)}`),
        ),
      ),
    );
  return list;
}

function messagesText(page) {
  const partners = page.partners(),
    { system, choice } = page;
  const total = (key) => partners.reduce((sum, partner) => sum + partner[key], 0);
  const shown = page.listAll ? partners : partners.slice(0, MOST_LISTED);
  const rows = shown.map((partner) => [
    make("bdi", {}, system.agents[partner.agent]),
    count(partner.step_from),
    count(partner.step_to),
    count(partner.sample_from),
    count(partner.sample_to),
  ]);
  const parts = [
    make(
      "p",
      {},
      `While training with κ = ${kappaName(page, choice.kappa)} it exchanges numbers with ` +
        `${plural(partners.length, "agent")}: each step it gets ${count(total("step_from"))} and ` +
        `sends ${count(total("step_to"))}, for each sample of an update it gets ` +
        `${count(total("sample_from"))} and sends ${count(total("sample_to"))}.`,
    ),
    tableOf(["agent", "step: gets", "sends", "sample: gets", "sends"], rows, undefined, "names"),
  ];
  if (shown.length < partners.length)
    parts.push(
      make(
        "p",
        {},
        make(
          "button",
          {
            type: "button",
            id: "list-all",
            click: () => {
              page.listAll = true;
              showPanel(page);
            },
          },
          `List all ${count(partners.length)}`,
        ),
      ),
    );
  return parts;
}

function costText(page) {
  const rows = page.costs(),
    layers = page.data.hidden.join(" × ") || "no";
  return [
    make("h3", {}, "Its critic at each κ"),
    tableOf(
      ["κ", "agents", "inputs", "weights"],
      rows.map((row) => [
        kappaName(page, row.kappa),
        count(row.agents),
        count(row.inputs),
        brief(row.parameters),
      ]),
      (k) => isNearest(page, k),
    ),
    make(
      "p",
      { class: "small" },
      `Hidden layers ${layers}. A central critic reads ` +
        `${count(page.data.central.inputs)} numbers with ` +
        `${count(page.data.central.parameters_each)} weights.` +
        (page.data.sizes_given ? "" : " Each state and action is counted as one number."),
    ),
  ];
}
