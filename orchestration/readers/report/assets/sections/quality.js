// What was checked, what was set aside, how fresh it is, and which told numbers have changed.
section("quality", (body) => {
  const checks = rowsOf(data.quality.checks), passed = sum(checks.filter((row) => row.status === "passed"), "checks"), all = sum(checks, "checks");
  const extracts = rowsOf(data.quality.extracts), failed = rowsOf(data.quality.failed), restated = rowsOf(data.quality.restatements);
  const read = sum(extracts, "rows_read"), aside = sum(extracts, "rows_quarantined");
  body.append(lead(t("quality_lead", { passed, all, read, aside }), " ",
    data.quality.newest_purchase ? t("quality_fresh", { date: shownDate(data.quality.newest_purchase) }) : ""));
  if (failed.length) body.append(element("h3", {}, t("failed_checks")), table(t("failed_checks"), [t("check"), t("table"), t("severity"), t("failed_count")],
    failed.map((row) => [row.check_name, row.table_name, t("severity_" + row.severity), number(row.failed_count)])));
  const share = (row) => (row.rows_read ? row.rows_quarantined / row.rows_read : 0);
  body.append(element("h3", {}, t("extracts")), table(t("extracts"), [t("extract"), t("files"), t("rows_read"), t("rows_loaded"), t("rows_quarantined"), t("share"), t("rows_other"), t("loaded_at")],
    extracts.map((row) => [row.table_name, number(row.files), number(row.rows_read), number(row.rows_loaded), number(row.rows_quarantined), formatter({ style: "percent", maximumFractionDigits: 2 })(share(row)), number(row.rows_filtered + row.rows_repeated), shownTime(row.loaded_at)])),
    note(t("extracts_note")));
  body.append(element("h3", {}, t("restatements")), restated.length
    ? table(t("restatements"), [t("month"), t("first_told"), t("told_before"), t("told_now"), t("customers_lost_change"), t("cause"), t("when")],
      restated.map((row) => [periodName("month", row.start), percent(row.churn_rate_first_published), percent(row.churn_rate_before), percent(row.churn_rate), signed(row.customers_lost_change), row.cause.split(/,\s*/).map((cause) => (has("cause_" + cause) ? t("cause_" + cause) : cause)).join(", "), shownTime(row.restated_at)]))
    : element("p", {}, t("no_restatements")));
}, { whole: true });
