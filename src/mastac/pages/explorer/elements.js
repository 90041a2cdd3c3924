// Elements of the document, and numbers as text.

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "click") element.addEventListener("click", value);
    else if (key === "class") element.className = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function tableOf(head, rows, isNow = () => false, kind = "") {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell) => make(tag, {}, cell)));
  return make(
    "table",
    { class: kind },
    make("thead", {}, line(head, "th")),
    make(
      "tbody",
      {},
      ...rows.map((cells, k) => {
        const row = line(cells, "td");
        if (isNow(k)) row.className = "now";
        return row;
      }),
    ),
  );
}

function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
function shortNumber(number) {
  return Number(number.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

// A number that fits a narrow column: from ten million on with three digits.
const BRIEF = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
function brief(number) {
  return number < 1e7 ? count(number) : BRIEF.format(number);
}

function kappaName(page, kappa) {
  return page.system.isExact(kappa) ? `${kappa} (exact)` : `${kappa}`;
}
function isNearest(page, k) {
  // Whether a row of the table is the chosen κ, or the last one below it.
  const { kappas } = page.system,
    { kappa } = page.choice;
  return kappas[k] <= kappa && (k + 1 === kappas.length || kappas[k + 1] > kappa);
}
