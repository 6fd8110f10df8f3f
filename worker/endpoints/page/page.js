// Fills the page from /status, and keeps it so: every 2 s while it is looked at, ever more rarely while the worker is away.
"use strict";

const EVERY_MS = 2000, LONGEST_MS = 30000, PATIENCE_MS = 8000;
const at = (id) => document.getElementById(id);
let chosen = "", delay = EVERY_MS, timer = 0, last = null, asking = false;

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const grouped = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function count(value) {
  if (!known(value)) return "–";
  return Math.abs(value) >= 1e7 ? `${grouped(value / 1e6, 1)} M` : grouped(value, value > 0 && value < 10 && value % 1 ? 1 : 0);
}

function span(seconds) {
  if (!known(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${grouped(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

const moment = (ms) => new Date(ms).toLocaleString("en-GB", { weekday: "short", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const words = (name) => name.replaceAll("_", " ");
const many = (n, one, more) => `${count(n)} ${n === 1 ? one : more}`;

// Text changes only where it differs: nothing is read out or repainted for nothing.
function say(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

// New content only where it differs: who reads a table by ear or has marked a word keeps the place.
function renew(host, nodes) {
  const fresh = host.cloneNode(false);
  fresh.append(...nodes);
  if (!fresh.isEqualNode(host)) host.replaceChildren(...fresh.childNodes);
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function state(name, text) {
  if (at("state-words").textContent === text && at("state").dataset.state === name) return;
  if (at("state").dataset.state !== name) say("announcement", text);
  at("state").dataset.state = name;
  say("state-words", text);
  document.body.classList.toggle("away", name === "away");
}

// ---- what is shown

function showState(s) {
  const missing = Object.entries(s.missing).map(([what, why]) => `${what}: ${why}`).join("; ");
  if (!s.alive) state("stalled", `Stalled: no sign of life for ${span(s.silent_seconds)}`);
  else if (!s.ready) state("waiting", "Alive, not ready yet");
  else state("ready", "Ready");
  say("missing", missing);
  say("member", s.member);
  document.title = `clickscore ${s.member}`;
  say("about", `clickscore ${s.version}, ${s.roles.join(" and ")} on ${s.log}, running for ${span((s.now_ms - s.began_ms) / 1000)}.`);
}

function showWork(s) {
  const t = s.totals, dropped = Object.values(t.dropped).reduce((sum, n) => sum + n, 0);
  say("rate", count(s.events_per_second));
  say("rate-note", `${count(t.events_scored)} scored of ${count(t.events_read)} read${dropped ? `, ${count(dropped)} dropped` : ""}`);
  say("lag", known(s.lag.records) ? many(s.lag.records, "event", "events") : "–");
  say("lag-note", known(s.lag.seconds) ? (s.lag.records ? `the oldest has waited up to ${span(s.lag.seconds)}` : "everything is read") : "measured while events come");
  const slow = s.latency;
  say("latency", known(slow.p50_s) ? span(slow.p50_s) : "–");
  say("latency-note", known(slow.p50_s) ? `half of them; 99 % within ${span(slow.p99_s)}` : "no event in the last 5 minutes");
  say("known", count(t.users));
  say("known-note", `${count(t.scores)} scores published`);
  renew(at("rate-chart"), [rateChart(s.events_line, count)]);
  const lag = new Map(s.lag.partitions.map((p) => [p.partition, p]));
  const rows = [...s.partitions.map((n) => [n, "scoring"]), ...Object.entries(s.restoring).map(([n, left]) => [Number(n), `being read back, ${many(left, "record", "records")} left`])];
  fill("partitions", rows, "none yet", ([n, doing]) => [String(n), doing, lag.has(n) ? count(lag.get(n).records) : "–", lag.has(n) && known(lag.get(n).seconds) ? span(lag.get(n).seconds) : "–"]);
}

// Rows of plain text, the first cell of each as its header.
function fill(id, rows, none, cells) {
  const made = rows.map((row) => {
    const [first, ...rest] = cells(row);
    return element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", {}, cell)));
  });
  renew(at(id), made.length ? made : [element("tr", {}, element("td", { colspan: 5, class: "soft" }, none))]);
}

function showTargets(s) {
  const names = s.targets.map((t) => t.name);
  if (!names.includes(chosen)) chosen = names[0];
  const there = [...at("targets").children].map((button) => button.value);
  if (there.join() !== names.join()) {
    at("targets").replaceChildren(...names.map((name) => element("button", { type: "button", value: name }, words(name))));
    for (const button of at("targets").children) button.addEventListener("click", () => { chosen = button.value; if (last) showTargets(last); });
  }
  for (const button of at("targets").children) button.setAttribute("aria-pressed", String(button.value === chosen));
  const t = s.targets.find((target) => target.name === chosen);
  if (!t) return;
  const untrained = !t.model || t.model.endsWith("@0");
  say("users-note", `The chance that a user ${t.meaning}. ${untrained ? "The model has learned nothing yet: everybody has the prior's chance." : `Model ${t.model}${known(t.model_age_s) ? `, published ${span(t.model_age_s)} ago` : ""}.`}${t.likeliest.some((u) => u.warming_up) ? " Still warming up: too few outcomes are known to rely on it." : ""}`);
  const most = Math.max(...t.likeliest.map((u) => u.p));
  renew(at("users-rows"), t.likeliest.length ? t.likeliest.map((u) => userRow(u, most)) : [element("tr", {}, element("td", { colspan: 5, class: "soft" }, "nobody whose score still holds was scored by this worker"))]);
}

function userRow(u, most) {
  // Whoever is listed is listed for what speaks for it.
  const reasons = [...u.reasons].sort((a, b) => (a[1] < 0) - (b[1] < 0)).map(([why, points]) => element("span", { class: "reason" }, element("span", points < 0 ? { class: "against" } : {}, points < 0 ? `against: ${why}` : why)));
  return element("tr", {}, element("th", { scope: "row" }, u.user), element("td", { class: "number chance-cell" }, percent(u.p), bar(u.p / most)),
    element("td", { class: "number lift" }, `${u.lift >= 9.95 ? grouped(u.lift, 0) : grouped(u.lift, 1)}×`), element("td", { class: "because" }, ...(reasons.length ? reasons : ["–"])),
    element("td", { class: "number when" }, moment(u.time_ms) + (u.cause === "silence" ? ", in silence" : "")));
}

function showQuality(s) {
  const open = new Set([...document.querySelectorAll("#plots details[open]")].map((d) => d.dataset.key));
  const focused = document.activeElement?.closest("#plots details");
  const plots = s.targets.flatMap((t) => (t.quality.length ? t.quality.map((q) => plot(t, q, open)) : [emptyPlot(t)]));
  renew(at("plots"), plots);
  if (focused && !focused.isConnected) at("plots").querySelector(`details[data-key="${CSS.escape(focused.dataset.key)}"] summary`)?.focus();
}

function emptyPlot(t) {
  return element("div", { class: "card" }, element("h3", {}, words(t.name)), element("p", { class: "note" }, "No outcome is known here yet. They come when a target's window closes, to the worker that trains it."));
}

function plot(t, q, open) {
  const title = `${words(t.name)}, ${q.cause === "event" ? "at events" : "in silence"}`, key = `${t.name} ${q.cause}`;
  const better = known(q.log_loss) && known(q.log_loss_baseline) ? q.log_loss < q.log_loss_baseline : null;
  const verdict = element("p", { class: "verdict" }, "log-loss ", element("b", {}, known(q.log_loss) ? q.log_loss.toFixed(4) : "–"), ` beside ${known(q.log_loss_baseline) ? q.log_loss_baseline.toFixed(4) : "–"} of the base rate`,
    better === null ? "" : better ? ": better than saying the same to all" : ": no better than saying the same to all");
  const facts = [];
  if (known(q.judged_decisions)) facts.push(`${count(q.judged_decisions)} decisions`);
  if (known(q.base_rate)) facts.push(`${percent(q.base_rate)} came true`);
  if (known(q.calibration_ratio)) facts.push(`said ÷ came true ${q.calibration_ratio.toFixed(2)}`);
  if (known(q.roc_auc)) facts.push(`AUC ${q.roc_auc.toFixed(3)}`);
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...["Said", "Came true", "Decisions"].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...q.bins.map(([said, came, n]) => element("tr", {}, element("th", { scope: "row" }, percent(said)), element("td", {}, percent(came)), element("td", {}, count(n))))));
  const numbers = element("details", { "data-key": key, ...(open.has(key) ? { open: "" } : {}) }, element("summary", {}, "Numbers"), table);
  return element("div", { class: "card" }, element("div", { class: "plot-head" }, element("h3", {}, title), element("span", { class: "note" }, facts.join(", "))), verdict,
    ...(q.bins.length ? [calibrationChart(`Calibration of ${title}`, q.bins, count), numbers] : []));
}

function showDeadLetters(s) {
  const recent = s.deadletters.reduce((sum, d) => sum + d.recent, 0);
  say("deadletters-note", recent ? `${count(recent)} in the last 5 minutes. The command clickscore deadletters list shows them.` : "None in the last 5 minutes.");
  fill("deadletters-rows", s.deadletters, "none since the start", (d) => [words(d.reason), count(d.recent), count(d.total)]);
}

function show() {
  fitPlots();
  for (const part of [showState, showWork, showTargets, showQuality, showDeadLetters]) part(last);
}

// ---- asking

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch(new URL("status", location.origin + location.pathname), { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    last = await answer.json();
    delay = EVERY_MS;
    show();
  } catch (error) {
    delay = Math.min(2 * delay, LONGEST_MS);
    const since = last ? `; figures are of ${new Date(last.now_ms).toLocaleTimeString("en-GB", { timeZone: "UTC" })} UTC` : "";
    state("away", `The worker does not answer${since}`);
  } finally {
    asking = false;
    if (!document.hidden) timer = setTimeout(ask, delay);
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) { delay = EVERY_MS; ask(); } });
addEventListener("resize", () => { if (last && innerWidth < 760 !== W < 400) show(); });
addEventListener("online", () => { delay = EVERY_MS; ask(); });
ask();
