// From the message to the return. Returns are out of those who have been watched that long.
const winBackView = { channel: "all" };
section("win_back", (body) => {
  const channels = rowsOf(data.win_back);
  if (!channels.length) return body.append(nothing("crm.outreach"));
  const rows = winBackView.channel === "all" ? channels : channels.filter((row) => row.channel === winBackView.channel);
  const channelName = (channel) => (has("channel_" + channel) ? t("channel_" + channel) : channel ?? t("unknown"));
  const stage = (name, hits, of) => { const count = sum(rows, hits), base = sum(rows, of); const share = base ? count / base : 0; return { name: t(name), count, base, share, value: share, shown: base ? `${percent(count / base)} · ${t("of_count", { count, all: base })}` : "–" }; };
  const stages = [stage("contacted", "contacted", "contacted"), stage("replied", "replied", "contacted"), stage("reasons_learnt", "reasons_learnt", "contacted"), ...[30, 90, 365].map((days) => stage("returned_" + days, `returned_${days}d`, `observed_${days}d`))];
  body.append(lead(t("win_back_lead", { contacted: stages[0].count, returned: stages[4].count, observed: stages[4].base, share: percent(stages[4].share), revenue: money(sum(rows, "revenue_recovered")) })),
    element("div", { class: "controls" }, select(t("channel"), [["all", t("all_channels")], ...channels.map((row) => [row.channel, channelName(row.channel)])], winBackView.channel, (channel) => { winBackView.channel = channel; redraw("win_back"); })));
  body.append(bars(t("win_back_chart"), stages, COLOUR.accent, { [t("step")]: "name", [t("share")]: "shown" }), note(t("win_back_note")), numbers(t("sec_win_back"), [t("channel"), t("contacted"), t("replied"), t("reasons_learnt"), t("returned_90"), t("revenue_recovered")],
    channels.map((row) => [channelName(row.channel), number(row.contacted), number(row.replied), number(row.reasons_learnt), row.observed_90d ? `${percent(row.returned_90d / row.observed_90d)} · ${t("of_count", { count: row.returned_90d, all: row.observed_90d })}` : "–", money(row.revenue_recovered)])));
}, { whole: true });
