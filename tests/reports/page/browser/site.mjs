// What does a visitor of the board meet in a real browser? Opens each page and prints what was seen, as JSON.
// node site.mjs CHROMIUM FOLDER_FOR_SCREENSHOTS PAGE.html...
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, folder, ...files] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const seen = { console: [], requests: [], dialogs: 0, views: [] };

for (const [place, file] of files.entries()) for (const [width, colorScheme] of [[400, "dark"], [1600, "light"]]) {
  const address = pathToFileURL(file).href;
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) seen.console.push(m.text()); });
  page.on("pageerror", (e) => seen.console.push(String(e)));
  page.on("request", (r) => { if (r.url() !== address && !r.url().startsWith("data:")) seen.requests.push(r.url()); });
  page.on("dialog", (d) => { seen.dialogs += 1; d.dismiss(); });
  await page.goto(address);
  const view = { file, width, title: await page.title(), text: await page.evaluate(() => document.body.innerText),
    scrollWidth: await page.evaluate(() => document.documentElement.scrollWidth),
    scripts: await page.evaluate(() => document.scripts.length),
    links: await page.evaluate(() => [...document.links].map((a) => a.protocol)) };
  await page.screenshot({ path: join(folder, `${place}-${width}-${colorScheme}.png`), fullPage: true });
  await page.addScriptTag({ path: axe });
  const result = await page.evaluate(() => globalThis.axe.run());
  view.violations = result.violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.nodes.length} x ${v.nodes[0].html.slice(0, 200)} ${v.nodes[0].failureSummary?.slice(0, 200)}`);
  seen.views.push(view);
  await context.close();
}
await browser.close();
process.stdout.write(JSON.stringify(seen));
