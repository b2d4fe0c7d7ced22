// The page in a real browser, against the real product and its starter model.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

let server;
let browser;
const shots = process.env.SCREENSHOTS; // a folder for pictures of the page, for people to look at

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

async function open(hash = "", options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  context.setDefaultTimeout(120_000); // machines that test are busy
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  await page.goto(server.url + "/" + hash);
  await page.waitForFunction(() => document.querySelector("#model")?.value);
  return { page, context, errors };
}

const status = (page, want) => page.waitForSelector(`[data-status="${want}"]`, { timeout: 240_000, state: "attached" });

/** pixels reads the canvas as an array of gray values, row by row, with its width. */
const pixels = (page) =>
  page.evaluate(() => {
    const c = document.querySelector("canvas");
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    return { width: c.width, height: c.height, gray: Array.from({ length: c.width * c.height }, (_, i) => d[4 * i]) };
  });

async function set(page, id, value) {
  await page.locator("#" + id).evaluate((el, v) => {
    el.value = v;
    el.dispatchEvent(new Event("input", { bubbles: true }));
    el.dispatchEvent(new Event("change", { bubbles: true }));
  }, String(value));
}

const link = (q) => "#" + new URLSearchParams({ model: "mnist", label: "7", sampler: "ddim", steps: 12, guidance: 2, seed: 5, n: 4, ...q });

test("every step changes the picture and the last one equals the command's PNG", async () => {
  const { page, context, errors } = await open(link({}));
  await status(page, "done");
  assert.equal(await page.locator("#at").textContent(), "12 / 12");
  await page.locator("body").click({ position: { x: 2, y: 2 } });
  await page.keyboard.press("Home");
  let before;
  for (let k = 1; k <= 12; k++) {
    assert.equal(await page.locator("#at").textContent(), `${k} / 12`);
    const now = await pixels(page);
    if (before) assert.notDeepEqual(now.gray, before.gray, `step ${k} looks like step ${k - 1}`);
    before = now;
    if (k === 6 && shots) await page.screenshot({ path: join(shots, "studio-half-way.png"), fullPage: true });
    await page.keyboard.press("ArrowRight");
  }
  const dir = join(server.home, "pictures");
  mkdirSync(dir);
  server.command("generate", "diffusion", "--model", "mnist", "--class", "7", "--sampler", "ddim", "--steps", "12",
    "--guidance", "2", "--seed", "5", "--n", "4", "--out", join(server.home, "grid.png"), "--out-dir", dir);
  const files = readdirSync(dir).filter((f) => f.endsWith(".png")).sort();
  assert.equal(files.length, 4);
  for (const [i, file] of files.entries()) {
    const data = "data:image/png;base64," + readFileSync(join(dir, file)).toString("base64");
    const same = await page.evaluate(
      async ([data, x, y]) => {
        const im = new Image();
        im.src = data;
        await im.decode();
        const c = new OffscreenCanvas(im.width, im.height).getContext("2d");
        c.drawImage(im, 0, 0);
        const a = c.getImageData(0, 0, im.width, im.height).data;
        const b = document.querySelector("canvas").getContext("2d").getImageData(x, y, im.width, im.height).data;
        return im.width === 28 && a.every((v, i) => v === b[i]);
      },
      [data, (i % 2) * 29, Math.floor(i / 2) * 29],
    );
    assert.ok(same, `picture ${i} differs from the command's`);
  }
  if (shots) await page.screenshot({ path: join(shots, "studio.png"), fullPage: true });
  assert.deepEqual(errors, []);
  await context.close();
});

test("a link makes the same pictures again, another seed makes others", async () => {
  const a = await open(link({ seed: 9 }));
  await status(a.page, "done");
  const b = await open(new URL(a.page.url()).hash);
  await status(b.page, "done");
  assert.deepEqual(await pixels(b.page), await pixels(a.page));
  const c = await open(link({ seed: 10 }));
  await status(c.page, "done");
  assert.notDeepEqual((await pixels(c.page)).gray, (await pixels(a.page)).gray);
  for (const x of [a, b, c]) await x.context.close();
});

test("controls, keyboard, cancel", async () => {
  const { page, context, errors } = await open();
  await page.getByRole("button", { name: "3", exact: true }).click();
  await set(page, "steps", 100); // the far end: 1000 steps
  await set(page, "count", 16);
  await page.locator("#generate").click();
  await status(page, "running");
  await page.waitForFunction(() => Number(document.querySelector("#at").textContent.split(" ")[0]) > 0);
  await page.keyboard.press("Escape");
  await status(page, "cancelled");
  assert.match(await page.locator("[role=status][data-status]").textContent(), /Cancelled at step \d+ of 1000/);
  await set(page, "steps", 30);
  await page.locator("#seed").fill("12");
  await page.locator("#seed").press("Enter");
  await status(page, "done");
  assert.match(page.url(), /seed=12/);
  await page.locator("#seed").fill("-1");
  assert.match(await page.locator("#seed-error").textContent(), /whole number/);
  assert.ok(await page.locator("#generate").isDisabled());
  await page.keyboard.press("Tab");
  await page.locator("h1").click();
  await page.keyboard.press("?");
  assert.ok(await page.locator("dialog").isVisible());
  await page.keyboard.press("Escape");
  assert.deepEqual(errors, []);
  await context.close();
});

test("every sampler that the model offers works from the page", async () => {
  const { page, context } = await open();
  const samplers = await page.locator("#sampler option").allTextContents();
  assert.ok(samplers.length >= 5, `only ${samplers}`);
  await context.close();
  for (const sampler of samplers) {
    const one = await open(link({ sampler, steps: 5, n: 1 }));
    await status(one.page, "done");
    await one.context.close();
  }
});

test("copied as curl, the command gives the same picture", async () => {
  const { page, context } = await open(link({ n: 1, seed: 3 }));
  await status(page, "done");
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator("#copy-curl").click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const body = JSON.parse(command.match(/-d '(.*)'$/)[1]);
  const res = await fetch(server.url + "/v1/images/generations", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const { data } = await res.json();
  const same = await page.evaluate(async (b64) => {
    const im = new Image();
    im.src = "data:image/png;base64," + b64;
    await im.decode();
    const c = new OffscreenCanvas(28, 28).getContext("2d");
    c.drawImage(im, 0, 0);
    const a = c.getImageData(0, 0, 28, 28).data;
    const b = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 28, 28).data;
    return a.every((v, i) => v === b[i]);
  }, data[0].b64_json);
  assert.ok(same);
  await context.close();
});

test("fits a phone, in light and dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page, context } = await open(link({ n: 9, steps: 10 }), { viewport: { width: 360, height: 740 }, colorScheme, hasTouch: true });
    await status(page, "done");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    const bg = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.equal(bg === "rgb(247, 247, 249)", colorScheme === "light");
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button")].filter((b) => b.offsetParent && b.getBoundingClientRect().height < 36).length);
    assert.equal(small, 0, "buttons too small to touch");
    if (shots) await page.screenshot({ path: join(shots, `studio-phone-${colorScheme}.png`), fullPage: true });
    await context.close();
  }
});

test("an unknown model in a link is said in words", async () => {
  const { page, context } = await open(link({ model: "nope" }));
  assert.match(await page.locator(".problem").textContent(), /nope/);
  await context.close();
});
