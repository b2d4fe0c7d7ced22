// The room of language in a real browser, against the real product, or against the one at STUDIO_URL.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

let server;
let browser;
const shots = process.env.SCREENSHOTS;

before(async () => {
  server = process.env.STUDIO_URL ? { url: process.env.STUDIO_URL, stop: async () => {} } : await start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync",
      "--disable-component-update", "--no-first-run"],
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** open shows a tool of the room and collects what the page complains about. Undefined where no model offers it. */
async function open(tool, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  await page.goto(server.url + "/#" + new URLSearchParams({ room: "language", tool }));
  await page.waitForSelector("[role=tab]");
  if ((await page.locator(`#tab-${tool}`).count()) > 0) {
    await page.waitForSelector(`#tab-${tool}[aria-selected=true]`);
    return { page, context, errors };
  }
  await context.close();
  return undefined;
}

const shot = async (page, name) => shots && page.screenshot({ path: join(shots, name), fullPage: true });

/** slide moves a slider. */
const slide = (page, selector, value) =>
  page.locator(selector).evaluate((el, v) => {
    el.value = v;
    el.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);

const texts = (page) => page.locator("article").evaluateAll((l) => l.map((a) => [...a.querySelectorAll(".token")].map((t) => t.textContent).join("")));

test("one text is continued by several models, and the same way with the same seed", async (t) => {
  const o = await open("continue");
  if (!o) return t.skip("no model continues a text");
  const { page, context, errors } = o;
  await page.locator("#lm-run").click();
  await page.waitForSelector(".stage[data-status=done]");
  const columns = await page.locator("article").count();
  assert.ok(columns >= 1 && columns <= 4, `${columns} columns`);
  const first = await texts(page);
  assert.ok(first.some((s) => s.length > 20), JSON.stringify(first));
  const article = page.locator("article").filter({ has: page.locator(".token:nth-of-type(4)") }).first();
  assert.match(await article.locator("[data-nats]").textContent(), /^\d+\.\d{3}$/);
  await article.locator("[role=listbox]").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await article.locator(".token[aria-selected=true]").getAttribute("data-i"), "2");
  assert.ok((await article.locator(".instead li").count()) >= 1, "alternatives by the keyboard");
  await article.locator(".token").nth(1).hover();
  assert.equal(await article.locator(".token[aria-selected=true]").getAttribute("data-i"), "1");
  await shot(page, "language-continue.png");
  await page.locator("#lm-run").click();
  await page.waitForSelector(".stage[data-status=done]");
  assert.deepEqual(await texts(page), first);
  await page.locator("#lm-seed").fill("2");
  await page.locator("#lm-run").click();
  await page.waitForSelector(".stage[data-status=done]");
  assert.notDeepEqual(await texts(page), first);
  assert.deepEqual(errors, []);
  await context.close();
});

test("a continuation stops when told", async (t) => {
  const o = await open("continue");
  if (!o) return t.skip("no model continues a text");
  const { page, context, errors } = o;
  await page.route(/LmService\/Generate$/, () => {}); // an answer that does not come
  await page.locator("#lm-run").click();
  await page.waitForSelector("#lm-stop");
  await page.locator("#lm-stop").click();
  await page.waitForSelector("article[data-status=stopped]");
  await page.locator("#lm-seed").fill("-1");
  assert.match(await page.locator("form [role=alert]").textContent(), /seed must be/);
  assert.ok(await page.locator("#lm-run").isDisabled());
  assert.deepEqual(errors, []);
  await context.close();
});

test("a sentence is scored by every model", async (t) => {
  const o = await open("score");
  if (!o) return t.skip("no model scores a text");
  const { page, context } = o;
  await page.waitForSelector("[data-ready=true]");
  await page.waitForSelector(".token");
  const before = await page.locator(".measures").textContent();
  await page.locator("#lm-sentence").fill("Xq zjv wkk.");
  await page.waitForFunction((was) => document.querySelector(".measures").textContent !== was, before);
  await page.locator("#lm-sentence").fill("The king is dead.");
  await page.waitForTimeout(600);
  await shot(page, "language-score.png");
  await context.close();
});

test("a chain of one's own walks and settles", async () => {
  const { page, context, errors } = await open("chain");
  await page.waitForSelector("[data-ready=true]");
  assert.match(await page.locator("#chain-entropy").textContent(), /^\d\.\d{4} nats/);
  const hitting = () => page.locator("#chain-hitting").textContent();
  await page.waitForFunction(() => Number(document.querySelector("[data-at]").dataset.at) >= 2); // it walks by itself
  await slide(page, "[aria-label='Step of the walk']", "1999");
  assert.equal(await page.locator("#chain-at").textContent(), "1999 / 1999");
  const apart = Number((await page.locator(".key").first().textContent()).match(/([\d.]+) apart/)[1]);
  assert.ok(apart < 0.1, `${apart} apart after 2000 steps`);
  await shot(page, "language-chain.png");
  const was = await hitting();
  await page.getByLabel("From sunny to rainy").fill("0.5");
  await page.keyboard.press("Tab");
  await page.waitForFunction((h) => { const now = document.querySelector("#chain-hitting"); return now && now.textContent !== h; }, was);
  const row = await page.locator("tbody tr").first().locator("td input").evaluateAll((l) => l.map((i) => Number(i.value)));
  assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 0.002, `the row is ${row}`);
  await page.locator("#chain-more").click();
  await page.waitForSelector("[data-ready=true]");
  assert.equal(await page.locator("tbody tr").count(), 4);
  await page.locator("#chain-pause").click();
  assert.deepEqual(errors, []);
  await context.close();
});

test("no walk begins by itself where no motion is wanted", async () => {
  const { page, context } = await open("chain", { reducedMotion: "reduce" });
  await page.waitForSelector("[data-ready=true]");
  await page.waitForTimeout(1200);
  assert.equal(await page.locator("[data-at]").getAttribute("data-at"), "0");
  await context.close();
});

test("the trellis grows with what is seen", async (t) => {
  const o = await open("trellis");
  if (!o) return t.skip("no model labels words");
  const { page, context, errors } = o;
  for (const name of await page.locator("#trellis-model option").allTextContents()) {
    await page.locator("#trellis-model").selectOption(name);
    const ready = await page.waitForSelector(`[data-ready=true]`, { timeout: 5000 }).catch(() => undefined);
    if (!ready) continue; // the sentence shown at first is not in every model's vocabulary
    assert.match(await page.locator("#trellis-path").textContent(), /^−?\d/);
    await page.waitForTimeout(400);
    const button = page.locator("#trellis-symbols button").first();
    if ((await button.count()) > 0) {
      const words = Number(await page.locator("[data-words]").getAttribute("data-words"));
      await button.click();
      await page.waitForSelector(`[data-words="${words + 1}"]`);
      await page.locator("#trellis-back").click();
      await page.waitForSelector(`[data-words="${words}"]`);
    }
    await shot(page, `language-trellis-${name}.png`);
  }
  assert.deepEqual(errors.filter((e) => !/400/.test(e)), []);
  await context.close();
});

test("every tool fits a phone", async () => {
  for (const tool of ["continue", "score", "chain", "trellis"]) {
    const o = await open(tool, { viewport: { width: 375, height: 740 }, hasTouch: true, colorScheme: "dark" });
    if (!o) continue;
    const { page, context } = o;
    if (tool === "continue") {
      await page.locator("#lm-run").tap();
      await page.waitForSelector(".stage[data-status=done]");
      const token = page.locator(".token").nth(3);
      if ((await token.count()) > 0) {
        await token.tap();
        await page.waitForSelector(".instead li");
      }
    } else await page.waitForTimeout(1000);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${tool} is ${overflow} pixels too wide`);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("main button, main input, main select, main textarea, .choice button, .trellis button, .score button")]
        .filter((b) => b.offsetParent && b.getBoundingClientRect().height < 43.5).map((b) => b.outerHTML.slice(0, 80)));
    assert.deepEqual(small, [], `${tool}: too small to touch`);
    await shot(page, `language-phone-${tool}.png`);
    await context.close();
  }
});
