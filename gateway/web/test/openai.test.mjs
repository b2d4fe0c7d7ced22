// The stock OpenAI client for Node, unchanged, against the door.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { start } from "./server.mjs";

let server;
let client;

before(async () => {
  server = await start();
  client = new OpenAI({ baseURL: server.url + "/v1", apiKey: "none", maxRetries: 0 });
});
after(() => server?.stop());

const png = (b64) => Buffer.from(b64, "base64").subarray(1, 4).toString() === "PNG";

test("models.list", async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  assert.ok(ids.includes("mnist"), String(ids));
});

test("images.generate", async () => {
  const ask = { model: "mnist", prompt: "a handwritten 7", n: 2, seed: 4, num_inference_steps: 10 };
  const a = await client.images.generate(ask);
  const b = await client.images.generate(ask);
  assert.equal(a.data.length, 2);
  assert.ok(png(a.data[0].b64_json));
  assert.deepEqual(a.data, b.data);
});

test("images.generate with stream and partial images", async () => {
  const ask = { model: "mnist", prompt: "7", seed: 4, num_inference_steps: 12 };
  const stream = await client.images.generate({ ...ask, stream: true, partial_images: 3 });
  const events = [];
  for await (const e of stream) events.push(e);
  assert.deepEqual(events.map((e) => e.type), [
    "image_generation.partial_image", "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
  ]);
  assert.deepEqual(events.slice(0, 3).map((e) => e.partial_image_index), [0, 1, 2]);
  assert.notEqual(events[0].b64_json, events[1].b64_json);
  const whole = await client.images.generate(ask);
  assert.equal(events[3].b64_json, whole.data[0].b64_json);
});

test("errors have OpenAI's shape", async () => {
  await assert.rejects(client.images.generate({ model: "nope", prompt: "7" }), (e) => e.status === 404 && /mnist/.test(e.message));
  await assert.rejects(client.images.generate({ model: "mnist", prompt: "a dog" }), (e) => e.status === 400 && e.param === "prompt");
});
