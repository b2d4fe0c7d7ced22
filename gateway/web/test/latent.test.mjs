// The room of latent spaces in a real browser, against the real product and its starter models.
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
  await page.goto(server.url + "/#" + new URLSearchParams({ room: "latent", model, tool }));
  await page.waitForSelector(`#tab-${tool}[aria-selected=true]`);
  return { page, context, errors };
}

/** bytes is what the n-th canvas shows. */
const bytes = (page, selector) =>
  page.locator(selector).first().evaluate((c) => Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data));

/** painted waits until a canvas shows something. */
const painted = (page, selector) =>
  page.waitForFunction((s) => {
    const c = document.querySelector(s);
    return c && c.width > 1 && c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 < 3 && v > 100);
  }, selector);

const shot = async (page, name) => shots && page.screenshot({ path: join(shots, name), fullPage: true });

test("the decoder answers wherever one points on the plane", async () => {
  const { page, context, errors } = await open("vae-mnist-2d", "plane");
  await painted(page, "#map canvas");
  await painted(page, "canvas.large");
  const before = await bytes(page, "canvas.large");
  const box = await page.locator("#map").boundingBox();
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.8, { steps: 6 });
  await page.waitForFunction((was) => {
    const c = document.querySelector("canvas.large");
    return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v, i) => v !== was[i]);
  }, before);
  const pointed = await bytes(page, "canvas.large");
  await page.locator("#map").focus();
  const at = await page.locator("#map").getAttribute("aria-valuetext");
  for (let i = 0; i < 8; i++) await page.keyboard.press("ArrowRight");
  assert.notEqual(await page.locator("#map").getAttribute("aria-valuetext"), at, "the keyboard moves");
  await page.waitForFunction((was) => {
    const c = document.querySelector("canvas.large");
    return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v, i) => v !== was[i]);
  }, pointed);
  assert.match(await page.locator("#millis").textContent(), /answered in \d+ ms/);
  await shot(page, "latent-plane.png");
  assert.deepEqual(errors, []);
  await context.close();
});

test("a chain dreams, with its energy, and stops when told", async () => {
  const { page, context, errors } = await open("rbm-mnist", "dream");
  await page.locator("#dream-sweeps").evaluate((el) => {
    el.value = "50"; // a hundred sweeps
    el.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await page.locator("#dream").click();
  await page.waitForSelector("[data-status=done]", { state: "attached" });
  assert.equal(await page.locator("#dream-at").textContent(), "100 / 100");
  assert.match(await page.locator("figcaption").textContent(), /Energy of each chain in nats; -?\d+/);
  const first = await bytes(page, ".stage canvas");
  await page.locator("#dream").click(); // the same seed
  await page.waitForSelector("[data-status=done]", { state: "attached" });
  assert.deepEqual(await bytes(page, ".stage canvas"), first);
  await shot(page, "latent-dream.png");
  await page.locator("#dream-sweeps").evaluate((el) => {
    el.value = "100";
    el.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await page.locator("#dream").click();
  await page.waitForSelector("[data-status=running]", { state: "attached" });
  await page.keyboard.press("Escape");
  await page.waitForSelector("[data-status=stopped]", { state: "attached" });
  assert.deepEqual(errors, []);
  await context.close();
});

test("a class clamped in the deep belief network", async () => {
  const { page, context, errors } = await open("dbn-mnist", "dream");
  await page.getByRole("button", { name: "3", exact: true }).click();
  await page.locator("#dream-sweeps").evaluate((el) => {
    el.value = "50";
    el.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await page.locator("#dream").click();
  await page.waitForSelector("[data-status=done]", { state: "attached" });
  await painted(page, ".stage canvas");
  await shot(page, "latent-fantasy.png");
  assert.deepEqual(errors, []);
  await context.close();
});

test("walk and arithmetic", async () => {
  const walk = await open("vae-mnist", "walk");
  await painted(walk.page, ".one canvas");
  const from = await bytes(walk.page, ".one canvas");
  await walk.page.locator("#walk-at").focus();
  await walk.page.keyboard.press("End");
  await walk.page.waitForFunction((was) => {
    const c = document.querySelector(".one canvas");
    return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v, i) => v !== was[i]);
  }, from);
  await shot(walk.page, "latent-walk.png");
  const sums = await open("vae-mnist", "sums");
  await painted(sums.page, "section[aria-label='The sum'] canvas");
  await shot(sums.page, "latent-sums.png");
  for (const x of [walk, sums]) {
    assert.deepEqual(x.errors, []);
    await x.context.close();
  }
});

test("a drawn picture goes through every bottleneck", async () => {
  const { page, context, errors } = await open("vae-mnist", "compare");
  const pad = await page.locator("#pad").boundingBox();
  await page.mouse.move(pad.x + pad.width * 0.3, pad.y + pad.height * 0.2);
  await page.mouse.down();
  await page.mouse.move(pad.x + pad.width * 0.7, pad.y + pad.height * 0.2, { steps: 8 });
  await page.mouse.move(pad.x + pad.width * 0.45, pad.y + pad.height * 0.8, { steps: 8 });
  await page.mouse.up();
  await page.locator("#pad-use").click();
  await page.waitForFunction(() => document.querySelectorAll(".columns figure").length >= 4);
  await shot(page, "latent-compare.png");
  assert.deepEqual(errors, []);
  await context.close();
});

test("every tool fits a phone", async () => {
  for (const [model, tool] of [["vae-mnist-2d", "plane"], ["rbm-mnist", "dream"], ["vae-mnist", "walk"], ["vae-mnist", "sums"], ["vae-mnist", "compare"]]) {
    const { page, context } = await open(model, tool, { viewport: { width: 360, height: 740 }, hasTouch: true });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${tool} is ${overflow} pixels too wide`);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, nav a")].filter((b) => b.offsetParent && b.getBoundingClientRect().height < 36).length);
    assert.equal(small, 0, `${tool}: buttons too small to touch`);
    await shot(page, `latent-phone-${tool}.png`);
    await context.close();
  }
});

test("an unknown model in a link is said in words", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.url + "/#room=latent&model=nope");
  await page.waitForSelector(".problem");
  assert.match(await page.locator(".problem").textContent(), /nope/);
  await context.close();
});
