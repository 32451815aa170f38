// How long customers stay, and whether one kind stays longer than another.
const survivalView = { by: "none" };
section("survival", (body) => {
  const curves = rowsOf(data.survival);
  if (!curves.length) return body.append(nothing("billing.subscriptions", "billing.invoices"));
  const chosen = curves.find((curve) => curve.s === state.segment);
  const types = data.segment_types;
  body.append(lead(chosen ? survivalLead(chosen) : t(sum(series("churn"), "customers_lost") ? "survival_unknown" : "survival_none")),
    types.length ? element("div", { class: "controls" }, select(t("compare"), [["none", t("compare_none")], ...types.map((type) => [type, segmentTypeName(type)])], survivalView.by, (by) => { survivalView.by = by; redraw("survival"); })) : "");
  const compared = survivalView.by === "none"
    ? [...new Set([chosen, curves.find((curve) => curve.s === 0)])].filter(Boolean)
    : curves.filter((curve) => segments[curve.s].type === survivalView.by).sort((one, other) => other.customers - one.customers).slice(0, SERIES.length);
  const names = compared.map((curve) => segmentName(segments[curve.s]));
  const pointsOf = (curve, i) => [0, ...curve.days].map((days, k) => {
    const [survival, low, high] = k ? [curve.survival[k - 1], curve.low[k - 1], curve.high[k - 1]] : [1, 1, 1];
    return { days, survival, low, high, segment: names[i], shown: percent(survival), interval: low == null ? "–" : `${percent(low)} – ${percent(high)}`, after: number(days) };
  });
  const fields = { [t("segment")]: "segment", [t("days")]: "after", [t("still_there")]: "shown", [t("interval_95")]: "interval" };
  const range = survivalView.by === "none" ? [COLOUR.accent, COLOUR.neutral] : SERIES;
  body.append(names.length > 1 ? key(names, range) : "", chart(t("survival_chart"), {
    data: { values: compared.flatMap(pointsOf) }, height: 300,
    encoding: { x: valueAxis("days", "Number", { title: t("days_since_start"), axis: { formatType: "shownNumber", format: "", tickCount: narrow() ? 4 : 8, grid: false } }), color: { field: "segment", ...colours(names, range.slice(0, names.length)) }, tooltip: tooltip(fields) },
    layer: [
      { mark: { type: "area", interpolate: "step-after", opacity: compared.length > 2 ? 0.08 : 0.16 }, encoding: { y: valueAxis("low", "Percent", { scale: { domain: [0, 1] } }), y2: { field: "high" } } },
      { mark: { type: "line", interpolate: "step-after", strokeWidth: 2 }, encoding: { y: { field: "survival", type: "quantitative" } } },
      { mark: { type: "point", opacity: 0, size: 80 }, encoding: { y: { field: "survival", type: "quantitative" } } },
    ],
  }), note(t("band_note")), numbers(t("sec_survival"), [t("segment"), t("customers"), ...[30, 90, 180, 365, 730].map((days) => t("after_days", { days })), t("half_left")],
    compared.map((curve, i) => [names[i], number(curve.customers), ...[30, 90, 180, 365, 730].map((days) => (days <= curve.days.at(-1) ? percent(survivalAt(curve, days)) : "–")), halfLife(curve) == null ? "–" : t("days_count", { days: halfLife(curve) })])));
});
function survivalAt(curve, days) {
  const i = curve.days.findLastIndex((one) => one <= days);
  return i < 0 ? 1 : curve.survival[i];
}
const halfLife = (curve) => curve.days[curve.survival.findIndex((share) => share <= 0.5)] ?? null;
function survivalLead(curve) {
  const half = halfLife(curve), share = percent(survivalAt(curve, 365));
  if (curve.days.at(-1) < 365) return t("survival_lead_young", { share: percent(curve.survival.at(-1)), days: curve.days.at(-1) });
  return half == null ? t("survival_lead", { share }) : t("survival_lead_half", { share, days: half });
}
