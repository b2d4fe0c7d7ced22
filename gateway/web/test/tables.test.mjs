// The room of tables in a real browser, against the real product and its starter models.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

let server;
let browser;
const shots = process.env.SCREENSHOTS;

before(async () => {
  server = await start();
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

/** open shows a tool of the room and collects what the page complains about. */
async function open(model, tool, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  await page.goto(server.url + "/#" + new URLSearchParams({ room: "tables", model, tool }));
  await page.waitForSelector(`#tab-${tool}[aria-selected=true]`);
  return { page, context, errors };
}

const shot = async (page, name) => shots && page.screenshot({ path: join(shots, name), fullPage: true });

/** level is the button of a level of a column. */
const level = (page, column, name) => page.locator(`section[aria-label="${column}"] button.level`, { has: page.getByText(name, { exact: true }) });

test("a level becomes evidence and the whole joint answers", async () => {
  const { page, context, errors } = await open("titanic", "ask");
  await page.waitForSelector("[data-ready=true]");
  assert.match(await level(page, "survived", "yes").textContent(), /32\.3 %/);
  await level(page, "sex", "female").click();
  await page.waitForFunction(() => document.querySelector("#chance")?.textContent.includes("470 of 2201"));
  assert.match(await level(page, "survived", "yes").textContent(), /73\.2 %/);
  assert.equal(await level(page, "survived", "yes").getAttribute("title"), "344 / 470");
  await shot(page, "tables-ask.png");
  await level(page, "class", "third").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.querySelector("#chance")?.textContent.includes("196 of 2201"));
  await level(page, "class", "third").click();
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("#chance"));
  assert.deepEqual(errors, []);
  await context.close();
});

test("what cannot be is said in words", async () => {
  const { page, context } = await open("dice", "ask");
  await page.waitForSelector("[data-ready=true]");
  await level(page, "red", "1").click();
  await level(page, "sum", "12").click();
  await page.waitForSelector(".bad");
  assert.match(await page.locator(".bad").textContent(), /probability is zero/);
  await page.locator("#clear").click();
  await page.waitForFunction(() => !document.querySelector(".bad"));
  await context.close();
});

test("seeing and setting differ in a network", async () => {
  const { page, context, errors } = await open("sprinkler", "network");
  await page.waitForSelector(".drawing[data-ready=true]");
  const cloudy = page.locator("button[aria-label^='cloudy yes']");
  const on = page.locator("button[aria-label^='sprinkler on']");
  await on.click();
  await page.waitForFunction(() => document.querySelector("button[aria-label^='cloudy yes']").textContent.includes("16.7"));
  await page.keyboard.press("d");
  await on.click();
  await page.waitForFunction(() => document.querySelector("button[aria-label^='cloudy yes']").textContent.includes("50.0"));
  assert.match(await page.locator(".controls").textContent(), /do\(sprinkler = on\)/);
  assert.equal(await page.locator("path.cut").count(), 1);
  await page.getByRole("button", { name: "grass", exact: true }).click();
  assert.match(await page.locator(".table h3").textContent(), /P\(grass \| sprinkler, rain\)/);
  assert.equal(await page.locator(".table tbody tr").count(), 4);
  await shot(page, "tables-network.png");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("#clear"));
  assert.match(await cloudy.textContent(), /50\.0/);
  assert.deepEqual(errors, []);
  await context.close();
});

test("a prediction says why", async () => {
  const { page, context, errors } = await open("titanic-bayes", "why");
  await page.waitForSelector("[data-ready=true]");
  await page.getByLabel("sex").selectOption("female");
  await page.waitForFunction(() => document.querySelectorAll("li").length === 2);
  await page.getByLabel("class").selectOption("first");
  await page.waitForFunction(() => document.querySelectorAll("li").length === 3);
  assert.match(await page.locator(".chips .on").textContent(), /yes 9\d\.\d %/);
  await shot(page, "tables-why.png");
  await page.getByRole("button", { name: /^no / }).click();
  await page.waitForFunction(() => document.querySelector(".chips .on").textContent.startsWith("no"));
  assert.deepEqual(errors, []);
  await context.close();
});

test("synthetic rows stand beside real ones", async () => {
  const { page, context, errors } = await open("titanic-network", "rows");
  assert.equal(await page.locator("#rows-real").inputValue(), "titanic-1912");
  await page.locator("#draw-rows").click();
  await page.waitForSelector("[data-status=done]");
  assert.equal(await page.locator("[aria-label='Real rows'] tbody tr").count(), 10);
  assert.match(await page.locator(".stage").textContent(), /utility/);
  assert.equal(await page.locator("figure").count(), 4);
  const first = await page.locator("[aria-label='Synthetic rows'] tbody").textContent();
  await page.locator("#draw-rows").click();
  await page.waitForSelector("[data-status=done]");
  assert.equal(await page.locator("[aria-label='Synthetic rows'] tbody").textContent(), first, "the same seed, the same rows");
  await shot(page, "tables-rows.png");
  assert.deepEqual(errors, []);
  await context.close();
});

test("every tool fits a phone", async () => {
  for (const [model, tool] of [["titanic", "ask"], ["asia", "network"], ["titanic-bayes", "why"], ["titanic-network", "rows"]]) {
    const { page, context } = await open(model, tool, { viewport: { width: 360, height: 740 }, hasTouch: true });
    if (tool === "rows") {
      await page.locator("#draw-rows").click();
      await page.waitForSelector("[data-status=done]");
    }
    await page.waitForTimeout(300);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${tool} is ${overflow} pixels too wide`);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, nav a")].filter((b) => b.offsetParent && b.getBoundingClientRect().height < 36).length);
    assert.equal(small, 0, `${tool}: buttons too small to touch`);
    await shot(page, `tables-phone-${tool}.png`);
    await context.close();
  }
});
