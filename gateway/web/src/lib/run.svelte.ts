// One generation as it streams in: frames to replay, noise levels and times to plot, the pictures at the end.
import { diffusion, explain } from "./api";
import { PreviewContent } from "../gen/manifold/diffusion/v1/diffusion_pb";
import { ImageEncoding, type Image } from "../gen/manifold/tensor/v1/tensor_pb";
import type { Params } from "./params";

export interface Frame {
  step: number;
  images: Image[]; // raw pixels
}

const maxFrames = 100; // frames kept for the replay, spread evenly over the steps

export class Run {
  params: Params;
  status = $state<"running" | "done" | "cancelled" | "failed">("running");
  error = $state("");
  step = $state(0);
  steps = $state(0);
  frames = $state.raw<Frame[]>([]);
  noise = $state.raw<number[]>([]);
  millis = $state.raw<number[]>([]);
  pictures = $state.raw<Image[]>([]);
  digest = $state("");
  numerics = $state(0);
  seconds = $state(0);
  width = $state(0);
  height = $state(0);
  private abort = new AbortController();

  constructor(params: Params) {
    this.params = { ...params };
    this.steps = params.steps;
  }

  cancel(): void {
    this.abort.abort();
  }

  /** stream runs to the end; it never throws. A stream that breaks is taken up again at the last event seen. */
  async stream(): Promise<void> {
    const begun = performance.now();
    let last = "";
    for (let attempt = 0; ; attempt++) {
      try {
        await this.once(last, begun, (id) => {
          last = id;
          attempt = 0;
        });
        this.status = "done";
        return;
      } catch (err) {
        const words = explain(err);
        if (this.abort.signal.aborted || words === "") {
          this.status = "cancelled";
          return;
        }
        const broke = last !== "" && words.startsWith("The connection broke");
        if (!broke || attempt >= 5) {
          this.status = "failed";
          this.error = words;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
      }
    }
  }

  private async once(lastEventId: string, begun: number, seen: (id: string) => void): Promise<void> {
    const p = this.params;
    const headers = new Headers();
    if (lastEventId !== "") headers.set("Last-Event-Id", lastEventId);
    const events = diffusion.generate(
      {
        model: p.model,
        label: p.label,
        steps: p.steps,
        sampler: p.sampler,
        guidanceScale: p.label === "" ? undefined : p.guidance,
        seed: BigInt(p.seed),
        n: p.n,
        previewEvery: Math.ceil(p.steps / maxFrames),
        previewContent: p.estimate ? PreviewContent.ESTIMATE : PreviewContent.SAMPLE,
        encoding: ImageEncoding.RAW,
      },
      { signal: this.abort.signal, headers },
    );
    let before = performance.now();
    for await (const ev of events) {
      seen(ev.eventId);
      this.seconds = (performance.now() - begun) / 1000;
      switch (ev.event.case) {
        case "started":
          this.steps = ev.event.value.steps;
          this.width = ev.event.value.width;
          this.height = ev.event.value.height;
          this.noise = ev.event.value.noiseLevels.slice(0, 1);
          break;
        case "step": {
          const s = ev.event.value;
          const now = performance.now();
          const d = s.duration ? Number(s.duration.seconds) * 1000 + s.duration.nanos / 1e6 : now - before;
          before = now;
          this.step = s.step;
          this.noise = [...this.noise, s.noiseLevel];
          this.millis = [...this.millis, d];
          break;
        }
        case "preview":
          this.frames = [...this.frames, { step: ev.event.value.step, images: ev.event.value.images }];
          break;
        case "completed": {
          const c = ev.event.value;
          this.pictures = c.images;
          this.digest = c.modelDigest;
          this.numerics = c.numericsVersion;
          this.step = this.steps;
          const kept = this.frames.filter((f) => f.step < this.steps);
          this.frames = [...kept, { step: this.steps, images: c.images }];
          break;
        }
      }
    }
  }
}
