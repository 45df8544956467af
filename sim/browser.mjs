// A headless Chromium on a string: one JSON line in, one JSON line out (see browser.py).
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE_MS = 15000;
const [executablePath] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
let page = null;
let problems = [];

const orders = {
  async open({ width, height, language, script, scheme, url }) {
    await page?.context().close();
    problems = [];
    const context = await browser.newContext({
      viewport: { width, height }, locale: language, javaScriptEnabled: script,
      isMobile: width < 600, hasTouch: width < 600, colorScheme: scheme,
    });
    page = await context.newPage();
    page.on("console", (said) => ["error", "warning"].includes(said.type()) && problems.push(said.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (asked) => asked.url().startsWith(url) || asked.url().startsWith("data:")
      || problems.push(`asked elsewhere: ${asked.url()}`));
    return orders.go({ url });
  },
  async go({ url }) {
    const answer = await page.goto(url, { timeout: PATIENCE_MS });
    return answer.status();
  },
  run: ({ expression }) => page.evaluate(expression),
  async until({ expression }) {
    // Not waitForFunction: the page's own policy forbids what that does.
    const end = Date.now() + PATIENCE_MS;
    while (!(await page.evaluate(expression).catch(() => false))) {
      if (Date.now() > end) throw new Error(`never: ${expression}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  },
  fill: ({ selector, text }) => page.fill(selector, text, { timeout: PATIENCE_MS }),
  click: ({ selector }) => page.click(selector, { timeout: PATIENCE_MS }),
  shot: ({ path, whole }) => page.screenshot({ path, fullPage: whole }).then(() => true),
  text: ({ selector }) => page.innerText(selector, { timeout: PATIENCE_MS }),
  problems: () => problems,
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  try {
    const value = await orders[order.do](order);
    process.stdout.write(`${JSON.stringify({ value: value ?? null })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
  }
}
await browser.close();
