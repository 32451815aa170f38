// Put the page together, and again whenever the reader chooses something else.
const report = document.getElementById("report");

function redrawBody({ id, draw }) {
  const body = document.getElementById(id + "-body");
  body.replaceChildren();
  draw(body);
}
/** Draw one section again, the focus staying on the control that was used. */
async function redraw(id) {
  const body = document.getElementById(id + "-body"), place = [...body.querySelectorAll("select, input")].indexOf(document.activeElement);
  redrawBody(sections.find((one) => one.id === id));
  if (place >= 0) body.querySelectorAll("select, input")[place]?.focus({ preventScroll: true });
  await finish();
}
async function redrawAll() {
  sections.forEach(redrawBody);
  await finish();
}
async function finish() {
  document.body.dataset.ready = "no";
  await drawCharts();
  document.body.dataset.ready = "yes";
}

function controls() {
  const set = (name, convert = (value) => value) => (value) => { state[name] = convert(value); redrawAll(); };
  const grains = ["month", "quarter", "year"].filter((grain) => periods.some((period) => period.grain === grain));
  const bySegment = data.segment_types.map((type) => ({ label: segmentTypeName(type), options: segments.flatMap((one, s) => (one.type === type ? [[s, segmentName(one)]] : [])) }));
  const language = (name) => { state.language = name; remembered?.setItem("churn-report-language", name); build(); };
  document.getElementById("controls").replaceChildren(
    choice("grain", t("by"), grains.map((grain) => [grain, t(grain)]), state.grain, set("grain")),
    select(t("segment"), [[0, t("whole_company")], ...bySegment], state.segment, set("segment", Number)),
    select(t("language"), Object.entries(LANGUAGES), state.language, language));
}

/** Everything in the chosen language. */
async function build() {
  const focus = document.activeElement?.closest("#controls") && [...document.querySelectorAll("#controls select, #controls input")].indexOf(document.activeElement);
  document.documentElement.lang = state.language;
  document.title = t("title");
  document.querySelectorAll("[data-text]").forEach((place) => { place.textContent = t(place.dataset.text); });
  document.getElementById("made").textContent = t("made", { date: shownDate(data.as_of), time: shownTime(data.started_at) });
  document.getElementById("about").textContent = t("about", { refresh: data.refresh_id });
  if (data.data_ends_on) {
    const stale = document.getElementById("stale");
    stale.hidden = false;
    stale.textContent = t("stale", { date: shownDate(data.data_ends_on), days: data.days_behind });
  }
  const contents = document.getElementById("contents");
  contents.setAttribute("aria-label", t("contents"));
  contents.replaceChildren(element("ul", {}, ...sections.map(({ id }) => element("li", {}, element("a", { href: "#" + id }, t("sec_" + id))))));
  controls();
  report.replaceChildren(...sections.map(({ id, whole }) => element("section", { id, "aria-labelledby": id + "-title" },
    element("h2", { id: id + "-title" }, t("sec_" + id), whole ? element("small", {}, t("whole_company")) : null), element("div", { id: id + "-body" }))));
  if (focus >= 0) document.querySelectorAll("#controls select, #controls input")[focus]?.focus();
  await redrawAll();
}

document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
let wasNarrow = narrow();
addEventListener("resize", () => { if (narrow() !== wasNarrow) { wasNarrow = narrow(); redrawAll(); } });
build();
