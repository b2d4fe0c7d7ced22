// What a picture depends on, and its three written forms: a link, a curl command, a request.
import type { Model } from "../gen/manifold/model/v1/model_pb";

export interface Params {
  model: string;
  label: string; // empty: no condition
  sampler: string;
  steps: number;
  guidance: number;
  seed: string; // decimal; a string because JSON and browsers lose large integers
  n: number;
  estimate: boolean; // show the model's guess of the clean picture instead of the noisy sample
}

export const defaults: Params = {
  model: "", label: "", sampler: "ddim", steps: 50, guidance: 2, seed: "1", n: 16, estimate: false,
};

export const limits = { steps: [1, 1000], guidance: [0, 10], n: [1, 64] } as const;

const rooms = ["denoise", "latent", "tables", "language"] as const;

/** Room is a part of the page. */
export type Room = (typeof rooms)[number];

/** roomOf is the room that a link leads to; links without one are of the first. */
export function roomOf(hash: string): Room {
  const room = new URLSearchParams(hash.replace(/^#/, "")).get("room");
  return rooms.find((r) => r === room) ?? "denoise";
}

const maxSeed = (1n << 53n) - 1n;

/** randomSeed draws a seed that JSON keeps. */
export function randomSeed(): string {
  const [a = 0, b = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (((BigInt(a) << 32n) | BigInt(b)) & maxSeed).toString();
}

/** seedError says what is wrong with a seed as typed; empty when nothing is. */
export function seedError(seed: string): string {
  if (!/^\d+$/.test(seed.trim())) return "The seed must be a whole number, 0 or more.";
  return BigInt(seed.trim()) > maxSeed ? `The seed must be at most ${maxSeed}.` : "";
}

/** toHash writes parameters into a link. */
export function toHash(p: Params): string {
  const q = new URLSearchParams({
    model: p.model, label: p.label, sampler: p.sampler, steps: String(p.steps), guidance: String(p.guidance),
    seed: p.seed, n: String(p.n),
  });
  if (p.estimate) q.set("show", "estimate");
  return "#" + q.toString();
}

/** fromHash reads them back; what is missing or out of range keeps its default. */
export function fromHash(hash: string): Params | undefined {
  const q = new URLSearchParams(hash.replace(/^#/, ""));
  if (!q.has("seed") || q.has("room")) return undefined;
  const number = (key: string, fallback: number, [lo, hi]: readonly [number, number]) => {
    const v = Number(q.get(key) ?? NaN);
    return Number.isFinite(v) ? Math.min(hi, Math.max(lo, v)) : fallback;
  };
  const seed = q.get("seed") ?? defaults.seed;
  return {
    model: q.get("model") ?? defaults.model,
    label: q.get("label") ?? "",
    sampler: q.get("sampler") ?? defaults.sampler,
    steps: Math.round(number("steps", defaults.steps, limits.steps)),
    guidance: number("guidance", defaults.guidance, limits.guidance),
    seed: seedError(seed) === "" ? seed : defaults.seed,
    n: Math.round(number("n", defaults.n, limits.n)),
    estimate: q.get("show") === "estimate",
  };
}

/** toCurl writes the command that makes the same pictures without this page. */
export function toCurl(p: Params, origin: string): string {
  const body: Record<string, unknown> = {
    model: p.model, prompt: p.label, n: p.n, seed: p.seed, num_inference_steps: p.steps, sampler: p.sampler,
  };
  if (p.label !== "") body["guidance_scale"] = p.guidance;
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl -s ${origin}/v1/images/generations -H 'Content-Type: application/json' -d '${quoted}'`;
}

/** fit corrects parameters to what a model offers. */
export function fit(p: Params, m: Model): Params {
  return {
    ...p,
    model: m.name,
    label: m.labels.includes(p.label) ? p.label : "",
    sampler: m.samplers.includes(p.sampler) ? p.sampler : (m.samplers[0] ?? "ddim"),
  };
}
