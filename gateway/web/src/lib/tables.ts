// Conditions on the columns of a table, as the page keeps them, and in words.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Kind, type ConditionSchema, type Field, type Value } from "../gen/manifold/tabular/v1/tabular_pb";

/** What is known of a column: some of its levels, or an interval. */
export type Known = { levels: string[] } | { from: number; to: number; last: boolean };

export type Evidence = Record<string, Known>;

type Condition = MessageInitShape<typeof ConditionSchema>;

/** conditions are the messages for some evidence, without those of one column. */
export function conditions(e: Evidence, but = ""): Condition[] {
  return Object.entries(e)
    .filter(([field]) => field !== but)
    .map(([field, k]) => ("levels" in k ? { field, levels: k.levels } : { field, atLeast: k.from, ...(k.last ? {} : { below: k.to }) }));
}

/** toggle adds a level to what is known of a column, or takes it away. */
export function toggle(e: Evidence, field: string, level: string): Evidence {
  const old = e[field];
  const had = old && "levels" in old ? old.levels : [];
  const levels = had.includes(level) ? had.filter((l) => l !== level) : [...had, level];
  const next = { ...e };
  if (levels.length === 0) delete next[field];
  else next[field] = { levels };
  return next;
}

/** has says whether a level is known of a column. */
export function has(e: Evidence, field: string, level: string): boolean {
  const k = e[field];
  return k !== undefined && "levels" in k && k.levels.includes(level);
}

/** say writes a number with as many digits as help. */
export function say(x: number): string {
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(4)));
}

/** percent writes a probability. */
export function percent(p: number): string {
  if (p === 0) return "0 %";
  return p < 0.001 ? `${(100 * p).toPrecision(1)} %` : `${(100 * p).toFixed(1)} %`;
}

/** inWords says what is known of a column. */
export function inWords(field: string, k: Known): string {
  return "levels" in k ? `${field} = ${k.levels.join(" or ")}` : `${field} ${say(k.from)} to ${say(k.to)}`;
}

/** numeric says whether a column holds numbers. */
export const numeric = (f: Field): boolean => f.kind === Kind.NUMERIC;

/** cell writes a value. */
export function cell(v: Value): string {
  switch (v.kind.case) {
    case "category":
      return v.kind.value;
    case "number":
      return say(v.kind.value);
    default:
      return "?";
  }
}
