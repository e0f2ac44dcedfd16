// A page in headless Chromium, at two widths, light and dark: how wide it is, what it complains of, what axe-core finds.
// node browser.mjs FOLDER_OF_NODE_MODULES CHROMIUM ADDRESS FOLDER_FOR_SCREENSHOTS [SECONDS_TO_WATCH]
// Only the server of the address, or the file, may be asked for anything. SECONDS_TO_WATCH: the title after so long.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, chromium, address, shots, watch] = process.argv.slice(2);
const own = address.startsWith("file:") ? address : new URL(address).origin;
const require = createRequire(join(modules, "x.js"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const flags = [...quiet, "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: flags, protocolTimeout: 600000 });
const found = [];
for (const width of [1280, 390]) {
  for (const scheme of ["light", "dark"]) {
    const page = await browser.newPage();
    const complaints = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
    page.on("pageerror", (e) => complaints.push(String(e)));
    page.on("dialog", async (d) => (complaints.push(d.message()), await d.dismiss()));
    page.on("request", (r) => r.url().startsWith(own) || complaints.push(r.url()));
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    if (!watch) await page.setBypassCSP(true); // for axe alone: the page forbids itself every script
    await page.goto(address);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    await page.screenshot({ path: join(shots, `${width}-${scheme}.png`), fullPage: true });
    if (watch) {
      await page.evaluate(() => (document.querySelector("body > main").dataset.first = "yes"));
      await new Promise((done) => setTimeout(done, 1000 * Number(watch)));
      const renewed = await page.evaluate(() => document.querySelector("body > main").dataset.first !== "yes");
      found.push({ width, scheme, wide, complaints, renewed });
      await page.close();
      continue;
    }
    await page.evaluate(axe);
    const faults = await page.evaluate(async () =>
      (await axe.run()).violations.map((v) => ({ id: v.id, impact: v.impact, first: v.nodes[0].html.slice(0, 200) })),
    );
    found.push({ width, scheme, wide, complaints, faults });
    await page.close();
  }
}
await browser.close();
console.log(JSON.stringify(found));
