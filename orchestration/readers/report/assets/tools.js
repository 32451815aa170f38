"use strict";
// Data, texts, numbers and elements: what every section uses.
const data = JSON.parse(document.getElementById("data").textContent);
const texts = JSON.parse(document.getElementById("texts").textContent);
const LANGUAGES = { en: "English", bg: "Български", ru: "Русский", fil: "Filipino" };

const remembered = (() => {
  try { return window.localStorage; } catch { return null; } // forbidden for files in some browsers
})();
const preferred = (navigator.languages || []).map((name) => name.split("-")[0].replace(/^tl$/, "fil")).find((name) => name in LANGUAGES);
const stored = remembered?.getItem("churn-report-language");
const state = { language: stored in LANGUAGES ? stored : preferred || "en", grain: "month", segment: 0 };

/** A text in the reader's language. Counts are given as numbers: they choose among the plural forms that a text may have. */
function t(key, values = {}) {
  let text = texts[state.language][key] ?? texts.en[key] ?? key;
  // {"count": name, "one": …, "other": …}, by the language's own categories; a form may depend on a second count
  while (typeof text === "object") text = text[new Intl.PluralRules(state.language).select(values[text.count])] ?? text.other;
  const shown = (value) => (typeof value === "number" ? number(value) : value ?? "");
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(values[name])).replace(/\.\.(?=\s|$)/g, "."); // "2025 г.." at an end
}
const has = (key) => key in texts.en;

// Numbers as the reader's browser writes them, words in the language of the page.
const locale = navigator.language || "en";
const formatter = (options) => { const format = new Intl.NumberFormat(locale, options); return (value) => (value == null ? "–" : format.format(value)); };
const number = formatter({ maximumFractionDigits: 0 });
const decimal = formatter({ maximumFractionDigits: 1 });
const percent = formatter({ style: "percent", maximumFractionDigits: 1 });
const wholePercent = formatter({ style: "percent", maximumFractionDigits: 0 });
const signed = formatter({ maximumFractionDigits: 1, signDisplay: "exceptZero" });
const currency = data.currency ? { style: "currency", currency: data.currency, currencyDisplay: "narrowSymbol" } : {};
const moneyWhole = formatter({ ...currency, maximumFractionDigits: 0 });
const moneyExact = formatter({ ...currency, minimumFractionDigits: 2, maximumFractionDigits: 2 });
const money = (value) => (value && Math.abs(value) < 100 ? moneyExact : moneyWhole)(value);
const compactNumber = formatter({ notation: "compact", maximumFractionDigits: 1 });
const fineMoney = formatter({ ...currency, notation: "compact", maximumSignificantDigits: 4 });
const compactMoney = formatter({ ...currency, notation: "compact", maximumFractionDigits: 1 });

const day = (iso) => new Date(iso.length > 10 ? iso + "Z" : iso + "T00:00:00Z");
// The variant of the language that the reader uses (en-GB), where it is that language.
const words = () => (navigator.languages || []).find((name) => name.split("-")[0] === state.language) ?? state.language;
const dates = (options) => new Intl.DateTimeFormat(words(), { timeZone: "UTC", ...options });
const shownDate = (iso) => dates({ dateStyle: "long" }).format(day(iso));
const shownTime = (iso) => new Intl.DateTimeFormat(words(), { dateStyle: "medium", timeStyle: "short" }).format(day(iso));
const fiscal = data.policies.fiscal_year_start_month !== 1;

/** A period's name: "March 2025", "Q1 2025", "2025"; those of a shifted fiscal year by their first and last month. */
function periodName(grain, start, short = false) {
  const first = day(start), month = first.getUTCMonth();
  if (grain === "month" && short) {
    const name = dates({ month: "short" }).format(first); // a number in Bulgarian
    return `${/\d/.test(name) ? dates({ month: "long" }).format(first).slice(0, 3) : name} ${String(first.getUTCFullYear()).slice(2)}`;
  }
  if (grain === "month") return dates({ month: "long", year: "numeric" }).format(first);
  if (fiscal) {
    const last = new Date(Date.UTC(first.getUTCFullYear(), month + (grain === "quarter" ? 2 : 11), 1));
    return dates({ month: "short", year: short ? "2-digit" : "numeric" }).formatRange(first, last);
  }
  return grain === "year" ? String(first.getUTCFullYear()) : t(short ? "quarter_short" : "quarter_name", { quarter: month / 3 + 1, year: first.getUTCFullYear() });
}

const periods = data.periods.map(([grain, start, end, complete]) => ({ grain, start, end, complete }));
const segments = data.segments.map(([type, value]) => ({ type, value }));
const segmentTypeName = (type) => (has("segment_" + type) ? t("segment_" + type) : type.replaceAll("_", " "));
const segmentName = ({ type, value }) => (type === "all" ? t("whole_company") : value === "(unknown)" ? t("unknown") : value);
const reasonName = (code) => data.reasons[code]?.[state.language] ?? t("reason_" + code);

/** The rows of a table that was sent column by column. */
function rowsOf(table) {
  const names = Object.keys(table);
  return table[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, table[name][i]])));
}
const grids = {};
/** Rows of a table of periods and segments for the chosen grain and segment, in the order of time, each with its period. */
function series(name, { segment = state.segment, grain = state.grain } = {}) {
  grids[name] ??= rowsOf(data[name]).map((row) => ({ ...row, period: periods[row.p] }));
  return grids[name].filter((row) => row.s === segment && row.period.grain === grain)
    .map((row) => ({ ...row, label: periodName(grain, row.period.start, true), name: periodName(grain, row.period.start) }));
}
const complete = (rows) => rows.filter((row) => row.period.complete);
const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);

/** How many periods make a year. */
const YEAR = { month: 12, quarter: 4, year: 1 };

/** Wilson's 95 % interval of a share. */
function wilson(hits, of) {
  const z = 1.959964, rate = hits / of, scale = 1 + (z * z) / of;
  const middle = (rate + (z * z) / (2 * of)) / scale, half = (z / scale) * Math.sqrt((rate * (1 - rate)) / of + (z * z) / (4 * of * of));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A labelled <select>; `options`: [value, text] or {label, options}. */
function select(label, options, value, onchange) {
  const option = ([key, text]) => element("option", { value: key, selected: String(key) === String(value) }, text);
  const list = options.map((one) => (Array.isArray(one) ? option(one) : element("optgroup", { label: one.label }, ...one.options.map(option))));
  return element("label", { class: "field" }, element("span", {}, label), element("select", { onchange: (event) => onchange(event.target.value) }, ...list));
}

/** A choice of few, as radio buttons that look like one bar. */
function choice(name, label, options, value, onchange) {
  return element("fieldset", { class: "choice" }, element("legend", {}, label), element("span", { class: "bar" }, ...options.map(([key, text]) =>
    element("label", {}, element("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }), element("span", {}, text)))));
}

/** A table in a region that scrolls by itself, also by keyboard. The first column names the row; the others are numbers. */
function table(caption, heads, rows) {
  return element("div", { class: "scroll", role: "group", tabindex: 0, "aria-label": caption },
    element("table", {}, element("caption", { class: "hidden" }, caption), element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, cell ?? "–")))))));
}
/** What a chart shows, as a table for who would rather read or can't see it. */
const numbers = (caption, heads, rows) => element("details", {}, element("summary", {}, t("show_numbers")), table(caption, heads, rows));
const lead = (...parts) => {
  const text = parts.join("");
  return element("p", { class: "lead" }, text.charAt(0).toLocaleUpperCase(state.language) + text.slice(1));
};
const note = (text) => element("p", { class: "note" }, text);
/** What to deliver for a section that has nothing to show. */
const nothing = (...extracts) => element("p", { class: "nothing" }, t("nothing"), " ", ...extracts.flatMap((name, i) => [i ? ", " : "", element("code", {}, name)]), ".");

// Sections register themselves in the order of their files. `draw(body)` fills an empty element; `whole` = it can't be split by segment.
const sections = [];
const section = (id, draw, { whole = false } = {}) => sections.push({ id, draw, whole });
