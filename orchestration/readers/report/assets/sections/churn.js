// Churn rate over time with its interval, and whether the lost left of their own will.
section("churn", (body) => {
  const rows = complete(series("churn")).map((row) => ({ ...row, rate: percent(row.churn_rate), interval: `${percent(row.churn_rate_low)} – ${percent(row.churn_rate_high)}`, lost: number(row.customers_lost), start: number(row.customers_at_start) }));
  if (!rows.length) return body.append(nothing("billing.subscriptions", "billing.invoices"));
  if (rows.every((row) => row.churn_rate == null)) return body.append(note(t("nobody_at_start")));
  const year = rows.slice(-YEAR[state.grain]), before = rows.slice(-2 * YEAR[state.grain], -YEAR[state.grain]);
  const average = (some) => { const start = sum(some, "customers_at_start"); return start ? sum(some, "customers_lost") / start : null; };
  body.append(lead(t(before.length === year.length ? "churn_lead_both" : "churn_lead", { now: percent(average(year)), before: percent(average(before)), grain: t("per_" + state.grain) })));
  const fields = { [t("period")]: "name", [t("churn_rate")]: "rate", [t("interval_95")]: "interval", [t("customers_lost")]: "lost", [t("customers_at_start")]: "start" };
  body.append(chart(t("churn_chart"), {
    data: { values: rows }, encoding: { x: periodAxis(), tooltip: tooltip(fields) },
    layer: [
      { mark: { type: "area", color: COLOUR.accent, opacity: 0.18 }, encoding: { y: valueAxis("churn_rate_low", "Percent"), y2: { field: "churn_rate_high" } } },
      { mark: { type: "line", color: COLOUR.accent, strokeWidth: 2 }, encoding: { y: { field: "churn_rate", type: "quantitative" } } },
      { mark: { type: "point", filled: true, size: 40, color: COLOUR.accent, opacity: 1 }, encoding: { y: { field: "churn_rate", type: "quantitative" } } },
    ],
  }), note(t("band_note")));

  if (!sum(rows, "customers_lost")) return;
  const kinds = [["customers_lost_voluntary", t("voluntary"), COLOUR.loss], ["customers_lost_involuntary", t("involuntary"), COLOUR.warm], ["customers_lost_unknown", t("reason_unknown"), COLOUR.neutral]];
  const split = rows.flatMap((row) => kinds.map(([field, kind], order) => ({ label: row.label, name: row.name, kind, order, lost: row[field], shown: number(row[field]), share: row.customers_lost ? percent(row[field] / row.customers_lost) : "–" })));
  body.append(element("h3", {}, t("why_lost")), key(kinds.map((kind) => kind[1]), kinds.map((kind) => kind[2])), chart(t("split_chart"), {
    data: { values: split }, height: 180, mark: { type: "bar" },
    encoding: {
      x: periodAxis(), y: valueAxis("lost", "Number", { stack: true }), order: { field: "order" },
      color: { field: "kind", ...colours(kinds.map((kind) => kind[1]), kinds.map((kind) => kind[2])) },
      tooltip: tooltip({ [t("period")]: "name", [t("why_lost")]: "kind", [t("customers_lost")]: "shown", [t("share")]: "share" }),
    },
  }), numbers(t("sec_churn"), [t("period"), t("customers_at_start"), t("customers_lost"), t("churn_rate"), t("interval_95"), ...kinds.map((kind) => kind[1])],
    rows.toReversed().map((row) => [row.name, row.start, row.lost, row.rate, row.interval, ...kinds.map(([field]) => number(row[field]))])));
});
