// Why they leave: a Pareto of the last year, and the course of the main reasons.
section("reasons", (body) => {
  const all = complete(series("churn_reasons"));
  if (!data.churn_reasons.p.some((_, i) => data.churn_reasons.reason_code[i] !== "not_asked")) return body.append(nothing("crm.departures"));
  const shown = complete(series("churn")), year = shown.slice(-YEAR[state.grain]);
  const inYear = new Set(year.map((row) => row.p));
  const counts = {};
  for (const row of all) if (inYear.has(row.p)) counts[row.reason_code] = (counts[row.reason_code] ?? 0) + row.customers_lost;
  const known = Object.entries(counts).filter(([code]) => code in data.reasons).sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
  const total = known.reduce((all_, [, lost]) => all_ + lost, 0), lost = sum(year, "customers_lost"), unknown = lost - total;
  const span = year.length > 1 ? `${year[0].name} – ${year.at(-1).name}` : year[0]?.name ?? "";
  if (!total) return body.append(lead(t("reasons_none", { periods: span })));
  let running = 0;
  const bars = known.map(([code, count]) => {
    running += count;
    return { code, reason: reasonName(code), count, cumulative: running / total, shown: `${number(count)} · ${wholePercent(count / total)}`, cumulated: percent(running / total), nature: t(data.reasons[code].nature), share: percent(count / total) };
  });
  const half = bars.findIndex((bar) => bar.cumulative >= 0.5) + 1;
  body.append(lead(t("reasons_lead", { periods: span, known: total, lost, top: bars.slice(0, half).map((bar) => t("quoted", { text: bar.reason })).join(", ") })));
  bars.forEach((bar) => { bar.label = `${bar.reason}${narrow() ? "\n" : "  "}${bar.shown}`; });
  const y = { field: "label", type: "ordinal", sort: null, title: null, axis: { labelColor: COLOUR.ink, labelLimit: narrow() ? 190 : 320, labelFontSize: narrow() ? 11 : 12, labelExpr: "split(datum.label, '\\n')", labelBaseline: narrow() ? "bottom" : "middle", labelOffset: narrow() ? 2 : 0, grid: false } };
  const fields = { [t("reason")]: "reason", [t("customers_lost")]: "count", [t("share")]: "share", [t("cumulative")]: "cumulated", [t("nature")]: "nature" };
  const natures = [[t("actionable"), t("objective")], [COLOUR.loss, COLOUR.neutral]];
  body.append(key(...natures), chart(t("reasons_chart"), {
    data: { values: bars }, height: bars.length * (narrow() ? 38 : 26), encoding: { y, tooltip: tooltip(fields) }, resolve: { scale: { x: "independent" } },
    layer: [
      { mark: { type: "bar", height: { band: 0.7 } }, encoding: { x: valueAxis("count", "Number", { axis: null, scale: { domain: [0, bars[0].count * 1.1] } }), color: { field: "nature", ...colours(...natures) } } },
      { mark: { type: "line", color: COLOUR.accent, opacity: 0.7, point: { filled: true, size: 30, color: COLOUR.accent } }, encoding: { x: valueAxis("cumulative", "Percent", { title: t("cumulative"), scale: { domain: [0, 1.02], nice: false }, axis: { formatType: "shownPercent", format: "", values: narrow() ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1], orient: "top", titleColor: COLOUR.accent } }), order: { field: "cumulative" } } },
    ],
  }));
  if (unknown) body.append(note(t("reasons_unknown", { count: unknown, share: wholePercent(unknown / lost) })));

  const top = bars.slice(0, 6), byReason = Object.groupBy(all, (row) => row.reason_code);
  const course = top.map(({ code, reason }) => {
    const at = Object.fromEntries((byReason[code] ?? []).map((row) => [row.p, row.customers_lost]));
    return { code, reason, values: shown.map((row) => ({ label: row.label, name: row.name, lost: at[row.p] ?? 0, shown: number(at[row.p] ?? 0) })) };
  });
  const most = Math.max(...course.flatMap((one) => one.values.map((value) => value.lost)));
  body.append(element("h3", {}, t("reasons_course")), element("div", { class: "small-multiples" }, ...course.map(({ reason, values }) => element("figure", {}, element("figcaption", {}, reason), chart(t("reason_chart", { reason }), {
    data: { values }, height: 80, mark: { type: "bar", color: COLOUR.loss },
    encoding: { x: periodAxis({ axis: { labelAngle: 0, labelOverlap: "greedy", labelSeparation: 24, labelFontSize: 11 } }), y: valueAxis("lost", "Number", { scale: { domain: [0, most] }, axis: { formatType: "shownNumber", format: "", tickCount: 2 } }), tooltip: tooltip({ [t("period")]: "name", [t("customers_lost")]: "shown" }) },
  })))), numbers(t("sec_reasons"), [t("reason"), t("customers_lost"), t("share"), t("cumulative"), t("nature")], bars.map((bar) => [bar.reason, number(bar.count), bar.share, bar.cumulated, bar.nature])));
});
