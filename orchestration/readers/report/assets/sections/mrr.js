// How recurring revenue got from one end of a period to the other.
const mrrView = { start: null };
section("mrr", (body) => {
  const rows = complete(series("revenue"));
  if (!series("revenue", { segment: 0 }).some((row) => row.mrr_at_start > 0 || row.mrr_at_end > 0)) return body.append(nothing("billing.subscriptions"));
  const row = rows.find((one) => one.period.start === mrrView.start) ?? rows.at(-1);
  if (!row) return body.append(note(t("no_complete")));
  const steps = [["mrr_new", 1], ["mrr_reactivated", 1], ["mrr_expanded", 1], ["mrr_contracted", -1], ["mrr_churned", -1]];
  body.append(
    lead(t("mrr_lead", { period: row.name, start: money(row.mrr_at_start), end: money(row.mrr_at_end), gained: money(row.mrr_new + row.mrr_reactivated + row.mrr_expanded), lost: money(row.mrr_contracted + row.mrr_churned) }),
      row.net_revenue_retention == null ? "" : " " + t("mrr_lead_nrr", { rate: percent(row.net_revenue_retention) })),
    element("div", { class: "controls" }, select(t("period"), rows.toReversed().map((one) => [one.period.start, one.name]), row.period.start, (start) => { mrrView.start = start; redraw("mrr"); })));
  let level = row.mrr_at_start;
  const bars = [{ step: t("mrr_at_start"), from: level, to: level, end: true, shown: money(level), kind: "end" }];
  for (const [field, sign] of steps) {
    const to = level + sign * row[field];
    bars.push({ step: t(field), from: level, to, shown: (sign > 0 ? "+" : "−") + money(row[field]), kind: sign > 0 ? "gain" : "loss", middle: (level + to) / 2 });
    level = to;
  }
  bars.push({ step: t("mrr_at_end"), from: row.mrr_at_end, to: row.mrr_at_end, end: true, shown: money(row.mrr_at_end), kind: "end" });
  bars.forEach((bar, i) => { bar.next = bars[i + 1]?.step; bar.right = Math.max(bar.from, bar.to); });
  const ends = bars.flatMap((bar) => [bar.from, bar.to]), room = (Math.max(...ends) - Math.min(...ends) || 1) * (narrow() ? 0.5 : 0.2);
  const domain = [Math.max(0, Math.min(...ends) - room * 0.25), Math.max(...ends) + room];
  const y = { field: "step", type: "ordinal", sort: null, title: null, axis: { labelColor: COLOUR.ink, labelLimit: 150, grid: false }, scale: { paddingInner: 0.35 } };
  const x = (field) => valueAxis(field, "FineMoney", { scale: { domain, zero: false, nice: false }, axis: { formatType: "shownFineMoney", format: "", tickCount: narrow() ? 3 : 5 } });
  body.append(chart(t("mrr_chart"), {
    data: { values: bars }, height: 250, encoding: { y, tooltip: tooltip({ [t("step")]: "step", [t("amount_money")]: "shown" }) },
    layer: [
      { mark: { type: "bar" }, encoding: { x: x("from"), x2: { field: "to" }, color: { field: "kind", type: "nominal", legend: null, scale: { domain: ["gain", "loss", "end"], range: [COLOUR.gain, COLOUR.loss, COLOUR.accent] } } } },
      { transform: [{ filter: "datum.end" }], mark: { type: "tick", opacity: 1, thickness: 4, size: 24, color: COLOUR.accent }, encoding: { x: x("to") } },
      { mark: { type: "text", align: "left", dx: 8 }, encoding: { x: x("right"), text: { field: "shown" } } },
    ],
  }), note(t("mrr_note")), numbers(t("sec_mrr"), [t("period"), t("mrr_at_start"), ...steps.map(([field]) => t(field)), t("mrr_at_end"), t("tile_nrr")],
    rows.toReversed().map((one) => [one.name, money(one.mrr_at_start), ...steps.map(([field]) => money(one[field])), money(one.mrr_at_end), percent(one.net_revenue_retention)])));
});
