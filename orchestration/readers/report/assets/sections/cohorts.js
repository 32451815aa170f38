// The retention triangle, as a table that is coloured: it can be read, copied, printed and heard.
const cohortView = { measure: "active", as: "share" };
const MEASURES = {
  active: { of: "size", format: number },
  purchasing: { of: "size", format: number },
  mrr: { of: "mrr_initial", format: compactMoney },
  revenue: { of: "size", format: compactMoney, perCustomer: true },
};

section("cohorts", (body) => {
  const rows = rowsOf(Object.fromEntries(Object.entries(data.cohorts).filter(([name]) => name !== "running")));
  const cohorts = rows.filter((row) => row.grain === state.grain && row.s === state.segment);
  if (!rows.length) return body.append(nothing("billing.subscriptions", "billing.invoices"));
  const measures = Object.keys(MEASURES).filter((name) => rows.some((row) => row[name].some((value) => value)));
  if (!measures.includes(cohortView.measure)) cohortView.measure = measures[0];
  const change = (name) => (value) => { cohortView[name] = value; redraw("cohorts"); };
  const running = data.cohorts.running.includes(state.grain);
  const measure = MEASURES[cohortView.measure];
  const asShare = cohortView.as === "share";
  body.append(
    lead(cohortLead(rows.filter((row) => row.grain === state.grain && row.s === state.segment), running)),
    element("div", { class: "controls" },
      select(t("measure"), measures.map((name) => [name, t("measure_" + name)]), cohortView.measure, change("measure")),
      choice("cohort-as", t("show_as"), [["share", t(measure.perCustomer ? "per_customer" : "share")], ["count", t("amount_" + (measure.format === compactMoney ? "money" : "customers"))]], cohortView.as, change("as"))));

  const ages = Math.max(0, ...cohorts.map((row) => row[cohortView.measure].length));
  const grid = cohorts.map((row) => {
    let total = 0;
    return row[cohortView.measure].map((value, age, all) => {
      total += value ?? 0;
      const ongoing = running && age === all.length - 1;
      const share = ongoing || !row[measure.of] ? null : (measure.perCustomer ? total : value) / row[measure.of];
      return { value, share, ongoing };
    });
  });
  const deepest = measure.perCustomer ? Math.max(...grid.flat().map((cell) => cell.share ?? 0)) || 1 : 1;
  const cells = (row, i) => grid[i].map(({ value, share, ongoing }, age) => {
    const shown = asShare ? (share == null ? "" : measure.perCustomer ? compactMoney(share) : number(share * 100)) : measure.format(value);
    const words = t("cohort_cell", { cohort: periodName(row.grain, row.start), age, value: measure.format(value), share: measure.perCustomer ? compactMoney(share) : percent(share) });
    return element("td", {
      class: ongoing ? "ongoing" : "cell", style: share == null ? null : `--share:${Math.min(1, share / deepest).toFixed(3)}`,
      "data-cohort": row.start, "data-age": age, "data-value": asShare ? share : value, title: ongoing ? `${words} ${t("not_over")}` : words,
    }, shown || element("span", { class: "hidden" }, ongoing ? t("not_over") : t("no_value")));
  });
  const caption = `${t("measure_" + cohortView.measure)}, ${segmentName(segments[state.segment])}`;
  body.append(element("div", { class: "scroll whole", role: "group", tabindex: 0, "aria-label": caption }, element("table", { class: "heat" },
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, t("cohort")), element("th", { scope: "col" }, t("cohort_size")), ...Array.from({ length: ages }, (_, age) => element("th", { scope: "col" }, number(age))))),
    element("tbody", {}, ...cohorts.map((row, i) => element("tr", {}, element("th", { scope: "row" }, periodName(row.grain, row.start, true)), element("td", { class: "size" }, number(row.size)), ...cells(row, i)))))),
    element("p", { class: "legend" }, element("span", { class: "ramp", "aria-hidden": "true" }), t(measure.perCustomer ? "legend_money" : "legend_share"), element("span", { class: "swatch ongoing", "aria-hidden": "true" }), t("legend_ongoing")),
    note(t("cohort_note_" + cohortView.measure)));
});

/** What became of the cohorts of which a later age is over, all together. */
function cohortLead(cohorts, running) {
  const age = { month: 6, quarter: 4, year: 1 }[state.grain];
  const old = cohorts.filter((row) => row.active.length - (running ? 1 : 0) > age);
  const size = sum(old, "size");
  return size ? t("cohort_lead", { share: wholePercent(old.reduce((total, row) => total + row.active[age], 0) / size), age: t("after_" + state.grain, { age }) }) : t("cohort_lead_young");
}
