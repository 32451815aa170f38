// The last complete period in six numbers, each against the period before.
section("headline", (body) => {
  const churn = complete(series("churn"));
  if (!churn.length) return body.append(nothing("billing.subscriptions", "billing.invoices"));
  const last = churn.at(-1);
  body.append(lead(t("headline_lead", { period: last.name, kept: last.customers_at_start - last.customers_lost, start: last.customers_at_start, before: churn.length > 1 ? t("against_" + state.grain) : "" })));
  const revenue = complete(series("revenue")), lost = complete(series("lost")), sales = complete(series("sales")), nps = complete(series("nps"));
  const recurring = revenue.some((row) => row.mrr_at_end > 0);
  const tiles = [
    tile("tile_customers", churn.map((row) => row.customers_at_end), number, relative, 1),
    tile("tile_churn", churn.map((row) => row.churn_rate), percent, points, -1, t("interval", { low: percent(last.churn_rate_low), high: percent(last.churn_rate_high) })),
    tile("tile_lost_sales", lost.map((row) => row.lost_sales), money, relative, -1),
    tile("tile_sales", sales.map((row) => row.revenue), money, relative, 1),
    recurring ? tile("tile_mrr", revenue.map((row) => row.mrr_at_end), money, relative, 1) : null,
    recurring ? tile("tile_nrr", revenue.map((row) => row.net_revenue_retention), percent, points, 1) : null,
    nps.some((row) => row.responses) ? tile("tile_nps", nps.map((row) => row.nps), decimal, difference, 1) : null,
  ];
  body.append(element("dl", { class: "tiles" }, ...tiles));
});

const relative = (now, before) => (before ? formatter({ style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" })(now / before - 1) : null);
const points = (now, before) => t("points", { change: signed((now - before) * 100) });
const difference = (now, before) => signed(now - before);

/** `good`: 1 when more is better, -1 when less is. */
function tile(key, values, format, change, good, aside) {
  const [before, now] = [values.at(-2), values.at(-1)];
  const changed = now != null && before != null ? change(now, before) : null;
  const mood = changed == null || !/[1-9]/.test(changed) ? "same" : (now > before) === good > 0 ? "better" : "worse";
  const arrow = mood === "same" ? "" : now > before ? "▲ " : "▼ ";
  return element("div", { class: "tile" },
    element("dt", {}, t(key)),
    element("dd", { class: "value" }, format(now)),
    changed == null ? null : element("dd", { class: "change " + mood }, element("span", { "aria-hidden": "true" }, arrow), changed),
    aside ? element("dd", { class: "quiet" }, aside) : null,
    sparkline(values));
}

function sparkline(values) {
  const known = values.slice(-24).filter((value) => value != null);
  if (known.length < 3) return null;
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const path = known.map((value, i) => `${((i / (known.length - 1)) * 100).toFixed(1)},${(27 - ((value - low) / span) * 24).toFixed(1)}`).join(" ");
  const holder = element("dd", { class: "spark", "aria-hidden": "true" });
  holder.innerHTML = `<svg viewBox="0 0 100 30" preserveAspectRatio="none"><polyline points="${path}" /></svg>`;
  return holder;
}
