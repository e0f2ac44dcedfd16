// Pages in headless Chromium, at two widths, light and dark: node screenshots.mjs MODULES CHROMIUM FOLDER NAME=ADDRESS...
// Prints as JSON how wide each page is and what its console says. NAME@HEIGHT=ADDRESS cuts the picture at that height.
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, chromium, folder, ...pages] = process.argv.slice(2);
const puppeteer = createRequire(join(modules, "x.js"))("puppeteer-core");
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"];
const flags = [...quiet, "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: flags });
const found = [];
for (const given of pages) {
  const [name, height] = given.slice(0, given.indexOf("=")).split("@");
  const address = given.slice(given.indexOf("=") + 1);
  for (const width of [1280, 390]) {
    for (const scheme of ["light", "dark"]) {
      const page = await browser.newPage();
      const complaints = [];
      page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
      page.on("pageerror", (e) => complaints.push(String(e)));
      await page.setViewport({ width, height: Number(height ?? 900), deviceScaleFactor: width < 500 ? 2 : 1 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.goto(address);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      const path = join(folder, `${name}-${width}-${scheme}.png`);
      await page.screenshot({ path, fullPage: !height });
      found.push({ name, width, scheme, wide, complaints });
      await page.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify(found));
