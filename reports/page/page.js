// What can a reader ask of the page? Filters, sorting, and pictures that answer to both. Without it all else still reads.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const filter = { domain: "", provenance: "", budget: "", off: new Set() };

const make = (name, attributes = {}, text) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const element = (name, attributes = {}, text) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const number = (x) => x === null ? "none" : x.toFixed(3);
const flops = (x) => x.toExponential(2).replace("e+", "e");
const seconds = (x) => `${Number(x.toPrecision(3))} s`;

// One point for each strategy and budget, over the tasks that the filters leave.
function points(board) {
  const tasks = board.tasks.flatMap((task, i) =>
    (!filter.domain || task.domain === filter.domain) && (!filter.provenance || task.provenance === filter.provenance) ? [i] : []);
  const whole = tasks.length === board.tasks.length;
  const found = [];
  for (const cell of board.cells) {
    const label = board.labels[cell.label], budget = board.budgets[cell.budget];
    if (filter.off.has(label.name) || (filter.budget && filter.budget !== budget)) continue;
    const kept = [];
    let n = 0;
    for (const i of tasks) {
      const seeds = cell.error[i].flatMap((e, s) => e === null ? [] : [s]);
      if (!seeds.length) continue;
      n += seeds.length;
      const over = (table) => mean(seeds.map((s) => table[i][s]));
      kept.push({ task: i, row: cell.error[i], errors: seeds.map((s) => cell.error[i][s]), error: over(cell.error), flops: over(cell.flops), seconds: over(cell.seconds) });
    }
    if (!kept.length) continue;
    found.push({ cell, label, budget, kept, n, tasks: tasks.length, complete: kept.length === tasks.length,
      error: mean(kept.map((k) => k.error)), flops: mean(kept.map((k) => k.flops)), seconds: mean(kept.map((k) => k.seconds)),
      ...ends(board, kept, cell.exact), apart: kept.length < data.enough * tasks.length - 1e-9 });
  }
  return { found, tasks };
}

// As reports.statistics.student.here does it: Student's t on the means of the seeds that have every task.
function ends(board, kept, exact) {
  const value = mean(kept.map((k) => k.error));
  if (exact) return { low: value, high: value };
  const units = board.seeds.flatMap((_, s) => {
    const there = kept.filter((k) => k.row[s] !== null);
    return there.length && there.length >= data.enough * kept.length - 1e-9 ? [value + mean(there.map((k) => k.row[s] - k.error))] : [];
  });
  if (units.length < 2) return { low: null, high: null };
  const center = mean(units);
  const error = Math.sqrt(units.reduce((sum, u) => sum + (u - center) ** 2, 0) / (units.length - 1) / units.length);
  // Seeds that agree to the last digit agree by chance: that is no spread.
  if (error <= data.noise) return { low: null, high: null };
  const half = board.student[units.length - 2] * error;
  return { low: Math.max(0, value - half), high: Math.min(1, value + half) }; // no error passes 0 or 1
}

// As reports.statistics.metrics.paired_front: each two points are compared on the tasks that both have.
function front(list, cost) {
  const enough = list.filter((p) => !p.apart && p[cost] > 0);
  const slack = 1 + data.slack;
  const beats = (q, p) => {
    const of = new Map(q.kept.map((k) => [k.task, k])), both = p.kept.filter((k) => of.has(k.task));
    if (!both.length) return false;
    const over = (key) => [mean(both.map((k) => of.get(k.task)[key])), mean(both.map((k) => k[key]))];
    const [cq, cp] = over(cost), [eq, ep] = over("error");
    return cq <= cp * slack && eq <= ep + 1e-12 && (cq < cp / slack || eq < ep - 1e-12);
  };
  return enough.filter((p) => !enough.some((q) => q !== p && beats(q, p))).sort((a, b) => a[cost] - b[cost]);
}

function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades < 1.7 ? [1, 2, 5] : decades < 3.2 ? [1, 3] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of steps) { const tick = step * 10 ** power; if (tick >= low && tick <= high) ticks.push(tick); }
  return ticks;
}
const short = (x) => x >= 1e-3 && x < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(0).replace("e+", "e");

function draw(board) {
  const { found, tasks } = points(board);
  const place = document.getElementById(`${board.anchor}-chart`);
  if (!place) return;
  const width = Math.max(300, place.clientWidth);
  const dots = board.dots && board.dots.checked;
  place.textContent = "";
  hide();
  const status = document.getElementById(`${board.anchor}-status`);
  const part = tasks.length === board.tasks.length ? tasks.length === 1 ? "the one task" : `all ${tasks.length} tasks` : `${tasks.length} of ${board.tasks.length} tasks`;
  const torn = found.filter((p) => !p.complete).length;
  const shown = board.labels.filter((label) => found.some((p) => p.label === label));
  const gray = new Set(shown.length > data.most ? shown.filter((label) => label.rest) : []);
  status.textContent = `${found.length} points over ${part}` + (torn ? `; ${torn} hollow, over fewer tasks` : "") + (gray.size ? `; grey: ${gray.size} more strategies` : "");
  if (!found.length) { place.append(element("p", {}, "Nothing is left by these filters.")); return; }
  const heights = found.filter((p) => !(p.apart && gray.has(p.label))).map((p) => p.error);
  if (dots) for (const p of found) for (const k of p.kept) heights.push(...k.errors);
  const ends = found.flatMap((p) => gray.has(p.label) || p.apart ? [] : [p.low, p.high]).filter((end) => end !== null);
  const [bottom, top] = within(heights.length ? heights : found.map((p) => p.error), ends);
  const beside = width >= 760;
  place.append(panel(board, found, gray, board.cost, width, beside ? 430 : 340, bottom, top, dots, beside));
  if (!beside) {
    const list = element("ul", { class: "legend" });
    for (const label of shown) if (!gray.has(label)) {
      const item = element("li"), mark = make("svg", { class: "mark key", viewBox: "0 0 30 12", "aria-hidden": "true", style: `--c:var(--c${label.color})` });
      mark.append(make("path", { d: "M0 6H30", class: "line", "stroke-dasharray": label.dash }), make("path", { d: label.marker, fill: "var(--c)" }));
      item.append(mark, label.name);
      list.append(item);
    }
    place.append(list);
  }
}

// As reports.figures.axes.window: all points, and as much of their intervals as leaves the points apart.
function within(points, ends) {
  const low = Math.min(...points), high = Math.max(...points);
  const reach = Math.max(data.room * (high - low), 0.1 * Math.abs(high));
  const bottom = Math.max(Math.min(low, ...ends), low - reach), top = Math.min(Math.max(high, ...ends), high + reach);
  const pad = 0.04 * (top - bottom) || 0.01;
  return [Math.max(0, bottom - pad), top + pad];
}

// Places as near to the sorted wanted ones as a gap between them lets them be; as reports.figures.axes.spread.
function spread(wanted, gap, low, high) {
  gap = Math.min(gap, (high - low) / Math.max(1, wanted.length - 1));
  const groups = [];
  const clamp = (members) => { const half = (members.length - 1) * gap / 2; return Math.min(Math.max(mean(members), low + half), high - half); };
  for (const value of wanted) {
    let members = [value];
    while (groups.length) {
      const last = groups.at(-1);
      if (last.center + (last.members.length - 1) * gap / 2 + gap <= clamp(members) - (members.length - 1) * gap / 2) break;
      members = [...groups.pop().members, ...members];
    }
    groups.push({ members, center: clamp(members) });
  }
  return groups.flatMap(({ members, center }) => members.map((_, i) => center + (i - (members.length - 1) / 2) * gap));
}

function panel(board, found, gray, cost, width, height, bottom, top, dots, beside) {
  const named = beside ? board.labels.filter((label) => !gray.has(label) && found.some((p) => p.label === label && p[cost] > 0)) : [];
  const longest = Math.max(0, ...named.map((label) => Math.min(44, label.name.length)));
  const ticked = cost === "flops" && board.ticks.length > 0;
  const inner = { left: 52, right: beside ? 30 + 7.1 * longest : 14, top: 28, bottom: ticked ? 60 : 46 };
  const costs = found.map((p) => p[cost]).filter((c) => c > 0);
  if (dots) for (const p of found) for (const k of p.kept) for (const c of p.cell[cost][k.task]) if (c > 0) costs.push(c);
  if (ticked) costs.push(...board.ticks.map(([, c]) => c));
  let low = Math.min(...costs), high = Math.max(...costs);
  const pad = Math.max(1.15, (high / low) ** 0.05);
  low /= pad; high *= pad;
  const x = (c) => inner.left + (Math.log(c / low) / Math.log(high / low)) * (width - inner.left - inner.right);
  const y = (e) => inner.top + ((top - e) / (top - bottom)) * (height - inner.top - inner.bottom);
  const name = cost === "seconds" ? "seconds a task" : ticked ? "budget, and the FLOPs a task that it pays for" : "charged FLOPs a task";
  const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Mean error over tasks against ${name}` });
  const grid = make("g", { class: "axis" });
  svg.append(grid);
  if (ticked) {
    let last = -1 / 0;
    for (const [budget, c] of board.ticks) {
      grid.append(make("path", { d: `M${x(c)} ${inner.top}V${height - inner.bottom}` }));
      if (x(c) - last < 52) continue;
      last = x(c);
      grid.append(make("text", { x: x(c), y: height - inner.bottom + 17, "text-anchor": "middle", class: "title" }, budget));
      grid.append(make("text", { x: x(c), y: height - inner.bottom + 33, "text-anchor": "middle" }, c.toExponential(1).replace("e+", "e")));
    }
  } else for (const tick of logTicks(low, high)) {
    grid.append(make("path", { d: `M${x(tick)} ${inner.top}V${height - inner.bottom}` }));
    grid.append(make("text", { x: x(tick), y: height - inner.bottom + 17, "text-anchor": "middle" }, short(tick)));
  }
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (top - bottom) / s <= 8) ?? 0.25;
  for (let e = Math.ceil(bottom / step) * step; e <= top; e += step) {
    grid.append(make("path", { d: `M${inner.left} ${y(e)}H${width - inner.right}` }));
    grid.append(make("text", { x: inner.left - 7, y: y(e) + 4, "text-anchor": "end" }, e.toFixed(2)));
  }
  grid.append(make("text", { x: (inner.left + width - inner.right) / 2, y: height - 8, "text-anchor": "middle", class: "title" }, name));
  grid.append(make("text", { x: inner.left - 44, y: inner.top - 12, class: "title" }, "mean error"));
  const best = front(found, cost);
  if (best.length > 1) {
    let d = `M${x(best[0][cost])} ${y(best[0].error)}`;
    for (const p of best.slice(1)) d += `H${x(p[cost])}V${y(p.error)}`;
    svg.append(make("path", { d, class: "front" }));
  }
  // One that is longer than the picture runs out at its edge, without the line that ends it.
  const interval = (px, p) => `M${px} ${y(Math.max(p.low, bottom))}V${y(Math.min(p.high, top))}` +
    [p.low, p.high].filter((end) => bottom <= end && end <= top).map((end) => `M${px - 3} ${y(end)}h6`).join("");
  const targets = [], ends = [];
  // Grey lines first, so that no colour lies under one.
  for (const label of [...board.labels].sort((a, b) => gray.has(b) - gray.has(a))) {
    const mine = found.filter((p) => p.label === label && p[cost] > 0).sort((a, b) => a[cost] - b[cost]);
    if (!mine.length) continue;
    const rest = gray.has(label);
    const group = make("g", { style: rest ? "--c:var(--rest)" : `--c:var(--c${label.color})`, class: rest ? "rest" : "" });
    svg.append(group);
    const whole = mine.filter((p) => !p.apart);
    if (dots && !rest) for (const p of mine) for (const k of p.kept) p.cell.error[k.task].forEach((e, s) => {
      const c = p.cell[cost][k.task][s];
      if (e === null || !(c > 0)) return;
      const at = { px: x(c), py: y(e), said: said(board, p, k.task, s) };
      targets.push(at);
      group.append(make("circle", { cx: at.px, cy: at.py, r: 2.2, class: "dot" }));
    });
    if (whole.length) group.append(make("path", { d: "M" + whole.map((p) => `${x(p[cost])} ${y(p.error)}`).join("L"), class: "line", "stroke-dasharray": rest ? "" : label.dash }));
    for (const p of mine) {
      const px = x(p[cost]), py = y(p.error);
      if (!rest && p.low !== null && p.low !== undefined && !p.apart) group.append(make("path", { d: interval(px, p), class: "bar" }));
      const text = said(board, p);
      const mark = make("path", { d: label.marker, transform: `translate(${px - 15} ${py - 6})`, class: p.complete ? "mark" : "mark hollow", tabindex: 0, role: "img", "aria-label": text.join(", ") });
      mark.addEventListener("focus", () => show(svg, px, py, text));
      mark.addEventListener("blur", hide);
      group.append(mark);
      targets.push({ px, py, said: text });
    }
    const last = (whole.length ? whole : mine).at(-1);
    if (named.includes(label)) ends.push({ label, px: x(last[cost]), py: y(last.error), group });
  }
  ends.sort((a, b) => a.py - b.py);
  const places = spread(ends.map((end) => end.py), 16, inner.top, height - inner.bottom);
  ends.forEach(({ label, px, py, group }, i) => {
    const edge = width - inner.right + 12;
    group.append(make("path", { d: `M${px + 7} ${py}L${edge} ${places[i]}h6`, class: "leader" }));
    group.append(make("text", { x: edge + 9, y: places[i], class: "name" }, label.name.length > 44 ? `${label.name.slice(0, 43)}\u2026` : label.name));
  });
  svg.addEventListener("mousemove", (event) => {
    const box = svg.getBoundingClientRect(), mx = event.clientX - box.left, my = event.clientY - box.top;
    let near = null, least = 16 ** 2;
    for (const target of targets) {
      const d = (target.px - mx) ** 2 + (target.py - my) ** 2;
      if (d < least) { least = d; near = target; }
    }
    if (near) show(svg, near.px, near.py, near.said); else hide();
  });
  svg.addEventListener("mouseleave", hide);
  return svg;
}

function said(board, p, task, seed) {
  if (task !== undefined) {
    const e = p.cell.error[task][seed];
    return [p.label.name, `task ${board.tasks[task].name}, seed ${board.seeds[seed]}`, `budget ${p.budget}`, `error ${number(e)}`,
      `${flops(p.cell.flops[task][seed])} FLOPs`, seconds(p.cell.seconds[task][seed])];
  }
  const some = p.kept.length === 1 ? `task ${board.tasks[p.kept[0].task].name}` : `${p.kept.length}${p.complete ? "" : ` of ${p.tasks}`} tasks`;
  const sure = p.low === null || p.low === undefined ? "" : ` [${number(p.low)}, ${number(p.high)}]`;
  return [p.label.name, `budget ${p.budget}`, `error ${number(p.error)}${sure}`, `${some}, seeds ${board.seeds.join(", ")}, n = ${p.n}`,
    `${flops(p.flops)} FLOPs a task`, `${seconds(p.seconds)} a task`];
}

const tip = element("div", { class: "tip", role: "status", hidden: "" });
document.body.append(tip);
function show(svg, px, py, lines) {
  tip.textContent = "";
  lines.forEach((line, i) => tip.append(element(i ? "span" : "strong", {}, line)));
  tip.hidden = false;
  const box = svg.getBoundingClientRect(), left = box.left + window.scrollX + px;
  tip.style.top = `${box.top + window.scrollY + py + 12}px`;
  tip.style.left = `${Math.max(8, Math.min(left + 12, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
}
function hide() { tip.hidden = true; }
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

// Tables: rows and task columns that the filters leave; sorting by any column.
function filterTables() {
  for (const row of document.querySelectorAll("tbody tr")) {
    const d = row.dataset;
    row.hidden = (d.strategy !== undefined && filter.off.has(d.strategy)) || (d.budget !== undefined && filter.budget && d.budget !== filter.budget) ||
      (d.domain !== undefined && filter.domain && d.domain !== filter.domain) || (d.provenance !== undefined && filter.provenance && d.provenance !== filter.provenance) || false;
  }
  for (const table of document.querySelectorAll("table[data-columns]")) {
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      const gone = head.dataset.domain !== undefined && ((filter.domain && head.dataset.domain !== filter.domain) || (filter.provenance && head.dataset.provenance !== filter.provenance));
      for (const row of table.rows) row.cells[i].hidden = Boolean(gone);
    });
  }
  document.body.classList.toggle("some-tasks", Boolean(filter.domain || filter.provenance));
  document.body.classList.toggle("filtered", Boolean(filter.domain || filter.provenance || filter.budget || filter.off.size));
  for (const table of document.querySelectorAll("table:not([data-plain])")) {
    // Claims have rows for all tasks and, where there are both kinds, for each of them.
    const held = [...table.tBodies[0].rows].filter((row) => row.dataset.held !== undefined);
    const apart = held.some((row) => row.dataset.held === filter.provenance);
    for (const row of held) row.hidden = row.dataset.held !== (apart ? filter.provenance : "");
  }
  for (const board of data.boards) anew(board);
}

// The table of the main picture, over the tasks that the filters leave; as it came where they leave all.
function anew(board) {
  const table = document.getElementById(board.anchor).parentElement.querySelector("table[data-anew]");
  if (!table) return;
  const keys = [...table.tHead.rows[0].cells].map((head) => head.dataset.key);
  const { found, tasks } = points(board), whole = tasks.length === board.tasks.length, best = front(found, "flops");
  for (const row of table.tBodies[0].rows) {
    row.came ??= [...row.cells].map((cell) => [cell.textContent, cell.dataset.sort]);
    const point = found.find((p) => p.label.name === row.dataset.strategy && p.budget === row.dataset.budget);
    if (!whole && !point) row.hidden = true;
    const [low, high] = whole || !point ? [null, null] : [point.low, point.high];
    const now = whole || !point ? {} : {
      flops: [flops(point.flops), point.flops], seconds: [seconds(point.seconds), point.seconds],
      error: [number(point.error) + (low === null ? "" : ` [${number(low)}, ${number(high)}]`), point.error],
      share: [`${point.kept.length} of ${point.tasks}`], n: [String(point.n), point.n], front: [best.includes(point) ? "yes" : "\u2013"],
      seeds: [String(Math.max(...point.kept.map((k) => k.errors.length)))],
    };
    keys.forEach((key, i) => {
      if (key === "strategy" || key === "budget") return;
      const [text, sort] = whole || !point ? row.came[i] : now[key] ?? ["\u2013"];
      row.cells[i].textContent = text;
      if (sort === undefined) delete row.cells[i].dataset.sort; else row.cells[i].dataset.sort = sort;
    });
  }
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = element("button", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => {
        const cell = row.cells[place];
        if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
        const text = cell.textContent.trim();
        return text === "\u2013" || text === "" ? null : text;
      };
      const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

function refresh() { data.boards.forEach(draw); filterTables(); }

// The address holds the filters, so that what is seen can be shared.
const NAMES = ["domain", "provenance", "budget"];
function remember() {
  const kept = new URLSearchParams(), all = boxes().map((box) => box.value), on = all.filter((name) => !filter.off.has(name));
  for (const name of NAMES) if (filter[name]) kept.set(name, filter[name]);
  if (on.length < all.length) on.length && on.length <= all.length / 2 ? on.forEach((x) => kept.append("only", x)) : all.filter((x) => filter.off.has(x)).forEach((x) => kept.append("without", x));
  const text = kept.toString();
  try { history.replaceState(null, "", `${location.pathname}${text ? `?${text}` : ""}${location.hash}`); } catch { /* no address to write to, as in a frame */ }
}
function recall() {
  const kept = new URLSearchParams(location.search), all = boxes(), form = document.getElementById("filters");
  for (const name of NAMES) if (form.elements[name] && [...form.elements[name].options].some((o) => o.value === kept.get(name))) form.elements[name].value = filter[name] = kept.get(name);
  const only = new Set(kept.getAll("only")), without = new Set(kept.getAll("without"));
  for (const box of all) if (only.size ? !only.has(box.value) : without.has(box.value)) filter.off.add(box.value);
  for (const box of all) box.checked = !filter.off.has(box.value);
  if (filter.off.size || NAMES.some((name) => filter[name])) document.getElementById("filter-box").open = true;
}
const boxes = () => [...document.querySelectorAll("#filters input[name=strategy]")];

function controls() {
  const form = document.getElementById("filters");
  if (!form) return;
  const changed = () => { refresh(); remember(); };
  const choose = (on) => { for (const box of boxes()) { box.checked = on(box.value); box.checked ? filter.off.delete(box.value) : filter.off.add(box.value); } changed(); };
  for (const name of NAMES)
    form.elements[name]?.addEventListener("change", (event) => { filter[name] = event.target.value; changed(); });
  for (const box of boxes())
    box.addEventListener("change", () => { box.checked ? filter.off.delete(box.value) : filter.off.add(box.value); changed(); });
  for (const button of form.querySelectorAll("[data-only]")) button.addEventListener("click", () => choose((name) => name === button.dataset.only));
  document.getElementById("none").addEventListener("click", () => choose(() => false));
  form.addEventListener("reset", () => setTimeout(() => {
    Object.assign(filter, { domain: "", provenance: "", budget: "" });
    filter.off.clear();
    changed();
  }));
  recall();
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details");
  if (folded) { folded.open = true; target.scrollIntoView(); }
}

document.documentElement.classList.add("live");
for (const board of data.boards) {
  board.cost = "flops";
  board.dots = document.getElementById(`${board.anchor}-dots`);
  board.dots?.addEventListener("change", () => draw(board));
  for (const radio of document.getElementsByName(`${board.anchor}-cost`)) radio.addEventListener("change", () => { board.cost = radio.value; draw(board); });
}
for (const table of document.querySelectorAll("table:not([data-plain])")) sortable(table);
for (const link of document.querySelectorAll("a[data-labels]")) link.addEventListener("click", () => {
  const labels = new Set(link.dataset.labels.split("; ")), budgets = new Set(link.dataset.budgets.split("; "));
  for (const row of document.querySelectorAll("table[data-table=runs] tbody tr"))
    row.classList.toggle("hit", row.dataset.of === link.dataset.of && labels.has(row.dataset.strategy) && budgets.has(row.dataset.budget));
});
controls();
refresh();
addEventListener("hashchange", reveal);
reveal();
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; data.boards.forEach(draw); } });
})();
