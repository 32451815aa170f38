// Whose first-time customers come back, with how sure the data can be.
const staffView = { same: "any" };
section("staff", (body) => {
  const all = rowsOf(data.staff).filter((row) => row.observed_90d);
  if (all.every((row) => row.employee_id === "(unknown)")) return body.append(nothing("billing.invoices.employee_id"));
  const returned = staffView.same === "any" ? "returned_90d" : "returned_to_same_employee_90d";
  const people = Object.entries(Object.groupBy(all, (row) => row.employee_id)).map(([employee, rows]) => {
    const observed = sum(rows, "observed_90d"), back = sum(rows, returned), [low, high] = wilson(back, observed);
    return { employee: employee === "(unknown)" ? t("unknown") : employee, team: rows[0].team ?? "–", observed, back, rate: back / observed, low, high, shown: percent(back / observed), interval: `${percent(low)} – ${percent(high)}`, of: `${number(back)} / ${number(observed)}` };
  }).sort((one, other) => other.rate - one.rate || one.employee.localeCompare(other.employee));
  const average = sum(people, "back") / sum(people, "observed");
  const apart = people.filter((one) => one.low > average || one.high < average);
  body.append(lead(t("staff_lead", { rate: percent(average) }), " ", apart.length ? t("staff_apart", { who: apart.map((one) => one.employee).join(", ") }) : t("staff_alike")),
    element("div", { class: "controls" }, choice("staff-same", t("returned_to"), [["any", t("to_company")], ["same", t("to_same")]], staffView.same, (same) => { staffView.same = same; redraw("staff"); })));
  const domain = [Math.max(0, Math.min(...people.map((one) => one.low)) - 0.05), Math.min(1, Math.max(...people.map((one) => one.high)) + 0.05)];
  const fields = { [t("employee")]: "employee", [t("team")]: "team", [t("came_back")]: "shown", [t("interval_95")]: "interval", [t("first_time_customers")]: "of" };
  body.append(chart(t("staff_chart"), {
    height: 24 * people.length, data: { values: people },
    encoding: { y: { field: "employee", type: "ordinal", sort: people.map((one) => one.employee), title: null, axis: { labelColor: COLOUR.ink, grid: false } } },
    layer: [
      { mark: { type: "rule", strokeWidth: 5, opacity: 0.3, color: COLOUR.accent, strokeCap: "round" }, encoding: { x: valueAxis("low", "Percent", { scale: { domain, zero: false, nice: false }, axis: { formatType: "shownPercent", format: "", tickCount: 5 } }), x2: { field: "high" }, tooltip: tooltip(fields) } },
      { mark: { type: "point", filled: true, size: 70, color: COLOUR.accent, opacity: 1 }, encoding: { x: { field: "rate", type: "quantitative" }, tooltip: tooltip(fields) } },
      { data: { values: [{ average }] }, mark: { type: "rule", strokeDash: [4, 4], color: COLOUR.muted }, encoding: { y: null, x: { field: "average", type: "quantitative" } } },
    ],
  }), note(t("staff_note")), numbers(t("sec_staff"), [t("employee"), t("team"), t("first_time_customers"), t("came_back"), t("share"), t("interval_95")],
    people.map((one) => [one.employee, one.team, number(one.observed), number(one.back), one.shown, one.interval])));
}, { whole: true });
