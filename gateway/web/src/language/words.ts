// Tokens and probabilities as the room of language shows them.
import type { Model } from "../gen/manifold/model/v1/model_pb";
import type { Alternative, DescribeResponse } from "../gen/manifold/lm/v1/lm_pb";

/** Known is a model and what it says that it can do. */
export interface Known {
  model: Model;
  about: DescribeResponse;
}

/** Shown is a token on the screen. */
export interface Shown {
  piece: string; // as people read it
  text: string; // what it adds to the text
  logprob: number;
  alternatives: Alternative[];
}

/** few is how many symbols a model has at most whose symbols are buttons rather than words of a text. */
export const few = 12;

/** toy says whether a model knows a handful of symbols alone, so that no text is anything to it. */
export function toy(k: Known): boolean {
  return k.about.vocabulary > 0 && k.about.vocabulary <= few;
}

/** number writes a value with a fixed number of digits; words where there is none. */
export function number(x: number, digits = 2): string {
  if (Number.isNaN(x)) return "–";
  return Number.isFinite(x) ? x.toFixed(digits).replace("-", "−") : x > 0 ? "∞" : "−∞";
}

/** visible writes a piece so that white space can be seen. */
export function visible(piece: string): string {
  return piece === "" ? "nothing" : piece.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
}

/** tint is how strongly a token is coloured, in percent: not at all when it was certain, most from 6 nats of surprise on. */
export function tint(logprob: number): number {
  return Math.round(55 * Math.min(1, Math.max(0, -logprob) / 6));
}

/** mean is the surprise of tokens in nats a token; NaN where there are none. */
export function mean(tokens: { logprob: number }[]): number {
  return -tokens.reduce((a, t) => a + t.logprob, 0) / tokens.length;
}

/** still says whether the reader asked for no motion. */
export function still(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
