// What the lost ones had bought, and how much of it listening would have kept.
section("lost_sales", (body) => {
  const rows = complete(series("lost")).map((row) => ({ ...row, estimate: money(row.lost_sales), own: money(row.lost_customers_sales), heard: money(row.recoverable_sales_if_heard), promptly: money(row.recoverable_sales_if_heard_promptly) }));
  if (!series("sales", { segment: 0 }).some((row) => row.revenue > 0)) return body.append(nothing("billing.invoices"));
  // Lost customers need not have bought anything in the period before: only their count says that there were none.
  if (!sum(series("churn", { segment: 0 }), "customers_lost")) return body.append(note(t("lost_none")));
  if (rows.every((row) => row.lost_sales == null)) return body.append(note(t("nobody_at_start")));
  const year = rows.slice(-YEAR[state.grain]);
  body.append(lead(t("lost_lead", { periods: year.length > 1 ? `${year[0].name} – ${year.at(-1).name}` : year[0]?.name ?? "", own: money(sum(year, "lost_customers_sales")), estimate: money(sum(year, "lost_sales")) }), " ",
    series("lost", { segment: 0 }).some((row) => row.recoverable_sales_if_heard > 0) ? t("lost_lead_heard", { heard: money(sum(year, "recoverable_sales_if_heard")), promptly: money(sum(year, "recoverable_sales_if_heard_promptly")) }) : t("lost_no_complaints")));
  const parts = [["recoverable_sales_if_heard_promptly", t("recoverable_promptly"), COLOUR.gain], ["rest", t("own_sales"), COLOUR.warm]];
  const bars = rows.flatMap((row) => [{ ...row, part: parts[0][1], amount: row.recoverable_sales_if_heard_promptly ?? 0, order: 0 }, { ...row, part: parts[1][1], amount: (row.lost_customers_sales ?? 0) - (row.recoverable_sales_if_heard_promptly ?? 0), order: 1 }]);
  const fields = { [t("period")]: "name", [t("lost_estimate")]: "estimate", [t("own_sales_all")]: "own", [t("recoverable_heard")]: "heard", [t("recoverable_promptly")]: "promptly" };
  const names = [...parts.map((part) => part[1]), t("lost_estimate")], range = [...parts.map((part) => part[2]), COLOUR.ink];
  body.append(key(names, range), chart(t("lost_chart"), {
    data: { values: bars }, encoding: { x: periodAxis(), tooltip: tooltip(fields) },
    layer: [
      { mark: { type: "bar" }, encoding: { y: valueAxis("amount", "Money", { stack: true }), order: { field: "order" }, color: { field: "part", ...colours(names, range) } } },
      { transform: [{ filter: "datum.order == 0" }], mark: { type: "tick", opacity: 1, thickness: 2, color: COLOUR.ink, bandSize: narrow() ? 8 : 16 }, encoding: { y: valueAxis("lost_sales", "Money"), color: { datum: t("lost_estimate") } } },
    ],
  }), note(t("lost_note")), numbers(t("sec_lost_sales"), [t("period"), t("lost_estimate"), t("own_sales_all"), t("recoverable_heard"), t("recoverable_promptly"), t("lost_profit")],
    rows.toReversed().map((row) => [row.name, row.estimate, row.own, row.heard, row.promptly, row.lost_profit == null ? "–" : money(row.lost_profit)])));
});
