// Vega-Lite with one look: colours are the page's own variables, so that charts follow dark mode and print.
const COLOUR = { accent: "var(--accent)", soft: "var(--accent-soft)", loss: "var(--loss)", warm: "var(--warm)", gain: "var(--gain)", neutral: "var(--neutral)", ink: "var(--ink)", muted: "var(--muted)" };
const SERIES = [COLOUR.accent, COLOUR.loss, COLOUR.gain, COLOUR.warm, "var(--violet)", COLOUR.neutral];
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const CONFIG = {
  font: FONT, background: null, customFormatTypes: true, view: { stroke: null },
  axis: { labelColor: COLOUR.muted, titleColor: COLOUR.muted, gridColor: "var(--line)", domain: false, ticks: false, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelPadding: 6 },
  text: { fill: COLOUR.ink, fontSize: 12, font: FONT }, bar: { cornerRadius: 2 }, rule: { color: COLOUR.neutral },
};
const FORMATS = { shownNumber: number, shownPercent: wholePercent, shownMoney: compactMoney, shownFineMoney: fineMoney };
const EMBED = {
  mode: "vega-lite", actions: false, renderer: "svg", config: CONFIG, tooltip: { theme: "custom" },
  ast: true, // no eval: the page forbids it
  expressionFunctions: Object.fromEntries(Object.entries(FORMATS).map(([name, format]) => [name, (value) => format(value)])),
};

let drawn = [], waiting = [];
/** Draw a Vega-Lite spec as wide as its place; `label` says in words what it shows. */
function chart(label, spec) {
  const place = element("div", { class: "chart", role: "img", "aria-label": label });
  waiting.push([place, { $schema: undefined, width: "container", height: 260, padding: { left: 0, top: 5, right: 28, bottom: 5 }, ...spec }]);
  return place;
}
async function drawCharts() {
  drawn.forEach((view) => view.finalize());
  drawn = [];
  for (const [place, spec] of waiting.splice(0)) {
    if (!place.isConnected) continue;
    drawn.push(await vegaEmbed(place, spec, EMBED));
  }
}

const narrow = () => document.documentElement.clientWidth < 640;
const periodAxis = (extra = {}) => ({ field: "label", type: "ordinal", sort: null, title: null, axis: { labelAngle: 0, labelOverlap: "greedy", labelSeparation: 10, grid: false }, ...extra });
const valueAxis = (field, kind, extra = {}) => ({ field, type: "quantitative", title: null, axis: { formatType: "shown" + kind, format: "", tickCount: 4 }, ...extra });
/** Horizontal bars with their names and numbers: beside the bars, on a narrow screen above them. `rows`: name, value, shown. */
function bars(label, rows, colour, fields) {
  const above = narrow(), most = Math.max(...rows.map((row) => row.value)) || 1;
  const x = { field: "value", type: "quantitative", axis: null, scale: { domain: [0, above ? most : most * 1.3], nice: false } };
  const y = { field: "name", type: "ordinal", sort: null, title: null, axis: above ? null : { labelColor: COLOUR.ink, labelLimit: 300, grid: false } };
  const layer = above
    ? [{ mark: { type: "bar", color: colour, height: 12, yOffset: 9 }, encoding: { x } }, { mark: { type: "text", align: "left", x: 0, yOffset: -8 }, encoding: { text: { field: "name" } } }, { mark: { type: "text", align: "right", x: "width", yOffset: -8 }, encoding: { text: { field: "shown" } } }]
    : [{ mark: { type: "bar", color: colour, height: { band: 0.7 } }, encoding: { x } }, { mark: { type: "text", align: "left", dx: 6 }, encoding: { x, text: { field: "shown" } } }];
  return chart(label, { data: { values: rows }, height: rows.length * (above ? 44 : 30), encoding: { y, tooltip: tooltip(fields) }, layer });
}
/** Rows of a tooltip: {label: field}. The fields hold text that is formatted already. */
const tooltip = (fields) => Object.entries(fields).map(([title, field]) => ({ field, type: "nominal", title }));
const colours = (names, range) => ({ type: "nominal", sort: names, scale: { domain: names, range }, legend: null });
/** What the colours mean, above the chart: text that wraps where a legend in the chart would be cut. */
const key = (names, range) => element("p", { class: "legend" }, ...names.map((name, i) => element("span", { class: "meaning" }, element("span", { class: "dot", style: `background:${range[i]}`, "aria-hidden": "true" }), name)));
