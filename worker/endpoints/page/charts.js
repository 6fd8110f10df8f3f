// Plots as SVG, built node by node: no text ever becomes markup. Colours come from the style sheet, by class.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const H = 250, LEFT = 64, TOP = 12, FLOOR = 178, BOTTOM = 208;
let W = 480, RIGHT = 470;

// A pixel of a plot is about one of the screen, or its words would be too small on a phone.
function fitPlots() {
  W = innerWidth < 760 ? 330 : 480;
  RIGHT = W - 10;
}

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function picture(height, title, description, parts) {
  return node("svg", { viewBox: `0 0 ${W} ${height}`, role: "img", "aria-label": `${title}. ${description}` }, ...parts);
}

const label = (x, y, text, style) => node("text", { x: x.toFixed(1), y: y.toFixed(1), class: style }, text);
const line = (x1, y1, x2, y2, style) => node("line", { x1: x1.toFixed(1), y1: y1.toFixed(1), x2: x2.toFixed(1), y2: y2.toFixed(1), class: style });
const tip = (text) => node("title", {}, text);

// The next of 1, 2, 5 times a power of ten, at or above a positive value.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

function percent(share, digits) {
  const value = share * 100;
  if (value > 0 && value < 0.01) return "<0.01 %";
  return `${value.toFixed(digits ?? (value >= 9.95 ? 0 : value >= 0.995 ? 1 : 2))} %`;
}

// [[seconds before now, events a second], …]
function rateChart(points, count) {
  const most = roundUp(Math.max(1, ...points.map(([, rate]) => rate)));
  const x = (s) => RIGHT + (s / 600) * (RIGHT - LEFT), y = (rate) => FLOOR - 34 - (rate / most) * (FLOOR - 34 - TOP);
  const floor = y(0), parts = [];
  for (const share of [0, 0.5, 1]) {
    parts.push(line(LEFT, y(share * most), RIGHT, y(share * most), share ? "lines" : "axis"));
    parts.push(label(LEFT - 6, y(share * most) + 4, count(share * most), "end"));
  }
  for (const minutes of [10, 5, 0]) parts.push(label(x(-60 * minutes), floor + 18, minutes ? `−${minutes} min` : "now", minutes === 10 ? "" : minutes ? "middle" : "end"));
  const path = points.map(([s, rate]) => `${x(s).toFixed(1)},${y(rate).toFixed(1)}`);
  if (path.length > 1) {
    parts.push(node("polygon", { class: "area", points: [`${x(points[0][0]).toFixed(1)},${floor}`, ...path, `${x(points.at(-1)[0]).toFixed(1)},${floor}`].join(" ") }));
    parts.push(node("polyline", { class: "line", points: path.join(" ") }));
  } else parts.push(label((LEFT + RIGHT) / 2, TOP + 60, "fills up as time passes", "middle"));
  const last = points.length ? points.at(-1)[1] : 0;
  return picture(floor + 26, "Events scored a second", `${count(last)} a second now, at most ${count(Math.max(0, ...points.map(([, rate]) => rate)))} in the last ten minutes.`, parts);
}

// 95 % interval of a rate seen in n decisions (Wilson 1927).
function interval(rate, n) {
  const square = 1.96 ** 2, centre = rate + square / (2 * n), spread = 1.96 * Math.sqrt((rate * (1 - rate)) / n + square / (4 * n * n));
  return [Math.max(0, (centre - spread) / (1 + square / n)), Math.min(1, (centre + spread) / (1 + square / n))];
}

// bins: [[said, came true, decisions], …]
function calibrationChart(title, bins, count) {
  const shares = bins.flatMap(([said, came]) => [said, came]).filter((share) => share > 1e-6);
  if (!shares.length) shares.push(1e-6);
  const small = Math.min(...shares) < 0.05, lowest = small ? 10 ** Math.floor(Math.log10(Math.min(...shares))) : 0;
  const most = Math.min(1, small ? roundUp(Math.max(...shares)) : Math.max(0.1, Math.ceil(Math.max(...shares) * 10) / 10));
  const least = lowest < most ? lowest : most / 10; // one share alone that is a power of ten, as before anything was learned
  const part = (share) => (small ? Math.log(Math.max(share, least) / least) / Math.log(most / least) : share / most);
  const clip = (share) => Math.min(Math.max(share, 0), 1);
  const x = (share) => LEFT + clip(part(share)) * (RIGHT - LEFT), y = (share) => FLOOR - clip(part(share)) * (FLOOR - TOP);
  const parts = [], ticks = small ? [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1].flatMap((power) => [power, 3 * power]) : [0, 0.25, 0.5, 0.75, 1].map((share) => share * most);
  const shown = ticks.filter((tick) => tick >= least * 0.999 && tick <= most * 1.001);
  const sparse = shown.length > 6 ? shown.filter((tick) => /^1/.test(tick.toPrecision(1)) || /^1e/.test(tick.toExponential(0))) : shown;
  for (const tick of sparse) {
    parts.push(line(LEFT, y(tick), RIGHT, y(tick), "lines"), line(x(tick), TOP, x(tick), FLOOR, "lines"));
    const words = `${Number((tick * 100).toPrecision(2))} %`;
    parts.push(label(LEFT - 6, y(tick) + 4, words, "end"), label(Math.min(x(tick), RIGHT - 12), BOTTOM + 15, words, "middle"));
  }
  parts.push(line(x(least), y(least), x(most), y(most), "ideal"), line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"));
  parts.push(label((LEFT + RIGHT) / 2, H - 8, "chance said", "middle"), node("text", { class: "middle", transform: `translate(11 ${(TOP + FLOOR) / 2}) rotate(-90)` }, "came true"));
  const largest = Math.max(...bins.map(([, , n]) => n));
  for (const [said, came, n] of bins) {
    const [low, high] = interval(came, n), words = `said ${percent(said)}, came true ${percent(came)}, ${count(n)} decisions`, tall = Math.max(1, (22 * n) / largest);
    parts.push(node("rect", { class: "count", x: (x(said) - 4).toFixed(1), y: (BOTTOM - tall).toFixed(1), width: 8, height: tall.toFixed(1) }, tip(words)));
    parts.push(line(x(said), y(low), x(said), y(high), "interval"));
    parts.push(node("circle", { class: "mark", cx: x(said).toFixed(1), cy: y(came).toFixed(1), r: 5 }, tip(words)));
  }
  return picture(H, title, `${bins.length} bins from ${percent(bins[0][0])} to ${percent(bins.at(-1)[0])}; the table below has their numbers.`, parts);
}

// A share as a bar beside its number; the number says it all to who does not see it.
function bar(share) {
  return node("svg", { class: "chance", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, node("rect", { class: "bar", width: (100 * share).toFixed(1), height: 6 }));
}
