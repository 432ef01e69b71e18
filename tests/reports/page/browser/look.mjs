// What does a reader meet in a real browser? Opens a report and prints what was seen, as JSON.
// node look.mjs CHROMIUM REPORT.html FOLDER_FOR_SCREENSHOTS [WIDTH...]
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, report, folder, ...widths] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const address = pathToFileURL(report).href;
const seen = { console: [], requests: [], dialogs: 0, views: [] };

async function open(options, search = "") {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) seen.console.push(m.text()); });
  page.on("pageerror", (e) => seen.console.push(String(e)));
  page.on("request", (r) => { if (r.url().split("?")[0] !== address && !r.url().startsWith("data:")) seen.requests.push(r.url()); });
  page.on("dialog", (d) => { seen.dialogs += 1; d.dismiss(); });
  await page.goto(address + search);
  return page;
}

const figures = (page) => page.evaluate(() => [...document.querySelectorAll("figure svg:not(.mark)")].filter((s) => s.checkVisibility()).map((s) => {
  const box = s.getBoundingClientRect();
  return { left: box.left, right: box.right, width: box.width, height: box.height };
}));

for (const width of widths.length ? widths.map(Number) : [400, 1600]) for (const colorScheme of ["light", "dark"]) {
  const page = await open({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
  const view = { width, colorScheme, figures: await figures(page), scrollWidth: await page.evaluate(() => document.documentElement.scrollWidth) };
  await page.screenshot({ path: join(folder, `${width}-${colorScheme}.png`), fullPage: true });
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  view.openWidth = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.addScriptTag({ path: axe });
  const result = await page.evaluate(() => globalThis.axe.run());
  view.violations = result.violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.nodes.length} x ${v.nodes[0].html.slice(0, 200)} ${v.nodes[0].failureSummary?.slice(0, 200)}`);
  view.passed = result.passes.length;
  seen.views.push(view);
  await page.context().close();
}

const page = await open({ viewport: { width: 1300, height: 900 } });
seen.first = await page.evaluate(() => ["answer", "strip"].map((name) => document.querySelector(`.${name}`)?.getBoundingClientRect().bottom ?? null));
await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
const points = () => page.evaluate(() => [...document.querySelectorAll(".chart")].map((chart) =>
  [...chart.querySelector("svg")?.querySelectorAll(".mark") ?? []].map((m) => m.getAttribute("aria-label"))));
const status = () => page.locator("[role=status]").first().textContent();
const rows = (name) => page.evaluate((n) => [...document.querySelectorAll(`table[data-table="${n}"] tbody tr`)].filter((r) => !r.hidden)
  .map((r) => [...r.cells].map((c) => c.textContent)), name);
seen.all = { points: await points(), status: await status(), rows: (await rows("curves")).length, table: await rows("curves") };

const form = page.locator("#filters");
const domain = await form.locator("select[name=domain] option").nth(1).getAttribute("value");
await form.locator("select[name=domain]").selectOption(domain);
seen.domain = { domain, points: await points(), status: await status(), rows: await rows("curves"),
  figures: await page.locator(".unfiltered").first().isVisible(),
  columns: await page.evaluate(() => [...document.querySelector("table[data-columns]").tHead.rows[0].cells].filter((c) => !c.hidden).map((c) => c.dataset.domain ?? "")),
  told: await page.locator(".over-all").first().isVisible() };
await form.locator("button[type=reset]").click();
await page.waitForTimeout(100);
seen.reset = { points: await points(), rows: (await rows("curves")).length, claims: await rows("claims") };
const kind = await form.locator("select[name=provenance] option").last().getAttribute("value");
await form.locator("select[name=provenance]").selectOption(kind);
seen.provenance = { kind, claims: await rows("claims") };
await form.locator("button[type=reset]").click();
await page.waitForTimeout(100);
const budget = await form.locator("select[name=budget] option").nth(1).getAttribute("value");
await form.locator("select[name=budget]").selectOption(budget);
seen.budget = { budget, points: await points(), rows: await rows("curves") };
await form.locator("button[type=reset]").click();
await page.waitForTimeout(100);
const box = form.locator("input[name=strategy]").first();
seen.strategy = { name: await box.getAttribute("value") };
await box.uncheck();
seen.strategy.points = await points();
seen.strategy.rows = await rows("curves");
await form.locator("button[type=reset]").click();
await page.waitForTimeout(100);

await form.locator("button[data-only]").nth(1).click();
seen.only = { name: await form.locator("button[data-only]").nth(1).getAttribute("data-only"), points: await points(), address: page.url(),
  gray: await page.locator(".chart").first().locator(".rest").count() };
const shared = await open({ viewport: { width: 1300, height: 900 } }, new URL(page.url()).search);
seen.only.again = await shared.evaluate(() => [...document.querySelectorAll("#filters input[name=strategy]:checked")].map((b) => b.value));
await shared.context().close();
await form.locator("#none").click();
seen.none = { points: await points(), text: await page.locator(".chart").first().innerText() };
await form.locator("button[type=reset]").click();
await page.waitForTimeout(100);
seen.cleared = { points: await points(), address: page.url() };
await page.locator("input[type=radio][value=seconds]").first().check();
seen.seconds = await page.locator(".chart svg").first().getAttribute("aria-label");
await page.locator("input[type=radio][value=flops]").first().check();

const head = page.locator('table[data-table="curves"] thead th', { hasText: "Error [95%" }).first();
await head.locator("button").click();
seen.up = { sort: await head.getAttribute("aria-sort"), rows: await rows("curves") };
await head.locator("button").press("Enter");
seen.down = { sort: await head.getAttribute("aria-sort"), rows: await rows("curves") };

const mark = page.locator(".chart svg").first().locator(".mark").first();
await mark.scrollIntoViewIfNeeded();
const at = await mark.boundingBox();
await page.mouse.move(at.x + at.width / 2 + 2, at.y + at.height / 2 + 1);
seen.hover = { shown: await page.locator(".tip").isVisible(), text: await page.locator(".tip").innerText(), label: await mark.getAttribute("aria-label") };
await page.mouse.move(2, 2);
seen.hover.gone = !(await page.locator(".tip").isVisible());
await mark.focus();
seen.focus = { shown: await page.locator(".tip").isVisible() };
await page.keyboard.press("Escape");
seen.focus.gone = !(await page.locator(".tip").isVisible());
await page.locator("input[id$=-dots]").first().check();
const dots = page.locator(".chart svg").first().locator(".dot");
seen.dots = { count: await dots.count() };
const dot = await dots.first().boundingBox();
await page.mouse.move(dot.x + dot.width / 2, dot.y + dot.height / 2);
seen.dots.text = await page.locator(".tip").innerText();

const link = page.locator("a[data-labels]").first();
if (await link.count()) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  await link.click();
  seen.link = { hit: await page.locator("tr.hit").count(), said: Number(await link.textContent()) };
}
seen.hacked = await page.evaluate(() => globalThis.hacked ?? null);
seen.text = await page.evaluate(() => document.body.innerText);
await page.context().close();

const still = await open({ viewport: { width: 1300, height: 900 }, javaScriptEnabled: false });
seen.still = { figure: await still.locator(".static svg").first().isVisible(), form: await still.locator("#filters").isVisible() };
await browser.close();
process.stdout.write(JSON.stringify(seen));
