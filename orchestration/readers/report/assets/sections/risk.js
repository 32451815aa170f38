// Who may leave next, counted, and how good such a list was in the past.
section("risk", (body) => {
  const [customers, revenue] = data.risk.all;
  const signals = rowsOf(data.risk.signals).map((row) => ({ ...row, name: t("signal_" + row.signal), value: row.customers, shown: `${number(row.customers)} · ${money(row.revenue)}` }));
  const tests = rowsOf(data.risk.backtest).filter((row) => row.signal === "any" && row.flagged);
  if (!customers && !tests.length) return body.append(nothing("billing.payments", "crm.cases", "crm.surveys"));
  body.append(lead(t("risk_lead", { customers, revenue: money(revenue) })));
  if (customers) body.append(bars(t("risk_chart"), signals.filter((row) => row.value), COLOUR.warm, { [t("signal")]: "name", [t("customers")]: "shown" }), note(t("risk_note")));
  if (!tests.length) return;
  const year = tests.slice(-4), flagged = sum(year, "flagged"), hit = sum(year, "flagged_lost_within_90d"), lost = sum(year, "lost_within_90d"), base = lost / sum(year, "customers");
  const kinds = [t("flagged"), t("everyone")];
  const lines = tests.flatMap((row) => [[kinds[0], row.flagged_lost_within_90d, row.flagged], [kinds[1], row.lost_within_90d, row.customers]].map(([kind, hits, of]) => ({ label: periodName("quarter", row.start, true), name: periodName("quarter", row.start), kind, share: hits / of, shown: `${percent(hits / of)} · ${t("of_count", { count: hits, all: of })}` })));
  body.append(element("h3", {}, t("backtest")), lead(t("backtest_lead", { flagged: percent(hit / flagged), base: percent(base), lift: decimal(hit / flagged / base), recall: percent(hit / lost) })), key(kinds, [COLOUR.loss, COLOUR.neutral]), chart(t("backtest_chart"), {
    data: { values: lines }, height: 200, mark: { type: "line", point: { filled: true, size: 45 }, strokeWidth: 2 },
    encoding: { x: periodAxis(), y: valueAxis("share", "Percent", { scale: { zero: true } }), color: { field: "kind", ...colours(kinds, [COLOUR.loss, COLOUR.neutral]) }, tooltip: tooltip({ [t("period")]: "name", [t("who")]: "kind", [t("lost_in_90")]: "shown" }) },
  }), numbers(t("backtest"), [t("period"), t("flagged"), t("lost_in_90"), t("precision"), t("recall"), t("base_rate")],
    tests.toReversed().map((row) => [periodName("quarter", row.start), number(row.flagged), number(row.flagged_lost_within_90d), percent(row.flagged_lost_within_90d / row.flagged), row.lost_within_90d ? percent(row.flagged_lost_within_90d / row.lost_within_90d) : "–", percent(row.lost_within_90d / row.customers)])));
}, { whole: true });
