// One model's continuation as it streams in.
import { explain, lm } from "../lib/api";
import type { Shown } from "./words";

export interface Asked {
  prompt: string;
  maxTokens: number;
  temperature: number;
  topK: number; // 0: all
  topP: number;
  seed: bigint;
}

export class Column {
  readonly model: string;
  tokens = $state.raw<Shown[]>([]);
  status = $state<"running" | "done" | "stopped" | "failed">("running");
  finish = $state("");
  error = $state("");
  digest = $state("");
  seconds = $state(0);
  private abort = new AbortController();
  private waiting: Shown[] = []; // arrived, to be shown with the next frame
  private frame = 0;

  private rules: boolean;

  /** A model of rules has no distribution over tokens: nothing to change, and no alternatives. */
  constructor(model: string, rules: boolean) {
    this.model = model;
    this.rules = rules;
  }

  stop(): void {
    this.abort.abort();
  }

  /** stream runs to the end; it never throws. A stream that breaks is taken up again at the last event seen. */
  async stream(a: Asked): Promise<void> {
    const begun = performance.now();
    let last = "";
    for (let attempt = 0; ; attempt++) {
      try {
        await this.once(a, last, (id) => {
          last = id;
          attempt = 0;
        });
        this.status = "done";
        break;
      } catch (err) {
        const words = explain(err);
        if (this.abort.signal.aborted || words === "") {
          this.status = "stopped";
          break;
        }
        if (last === "" || !words.startsWith("The connection broke") || attempt >= 5) {
          this.status = "failed";
          this.error = words;
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
      }
    }
    cancelAnimationFrame(this.frame);
    this.show();
    this.seconds = (performance.now() - begun) / 1000;
  }

  private async once(a: Asked, last: string, seen: (id: string) => void): Promise<void> {
    const headers = new Headers();
    if (last !== "") headers.set("Last-Event-Id", last);
    const events = lm.generate(
      {
        model: this.model,
        prompt: a.prompt,
        maxTokens: a.maxTokens,
        seed: a.seed,
        ...(this.rules ? {} : { sampling: { temperature: a.temperature, topK: a.topK, topP: a.topP }, topLogprobs: 8 }),
      },
      { signal: this.abort.signal, headers },
    );
    for await (const e of events) {
      seen(e.eventId);
      switch (e.event.case) {
        case "started":
          this.digest = e.event.value.modelDigest;
          break;
        case "token": {
          const t = e.event.value;
          this.waiting.push({ piece: t.piece, text: t.text, logprob: t.logprob, alternatives: t.alternatives });
          this.frame ||= requestAnimationFrame(() => this.show());
          break;
        }
        case "completed":
          this.finish = e.event.value.continuations[0]?.finish ?? "";
          break;
      }
    }
  }

  private show(): void {
    this.frame = 0;
    if (this.waiting.length === 0) return;
    this.tokens = [...this.tokens, ...this.waiting];
    this.waiting = [];
  }
}
