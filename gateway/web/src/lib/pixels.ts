// Raw pictures on a canvas.
import type { Image } from "../gen/manifold/tensor/v1/tensor_pb";

/** draw paints one raw picture with its corner at (x, y). */
export function draw(g: CanvasRenderingContext2D, im: Image, x: number, y: number): void {
  const { width: w, height: h, channels: c, data } = im;
  if (w === 0 || h === 0 || data.length !== w * h * c) return;
  const out = g.createImageData(w, h);
  for (let i = 0; i < w * h; i++) {
    const at = (k: number) => data[i * c + (c >= 3 ? k : 0)] ?? 0;
    out.data[4 * i] = at(0);
    out.data[4 * i + 1] = at(1);
    out.data[4 * i + 2] = at(2);
    out.data[4 * i + 3] = c === 4 ? (data[i * c + 3] ?? 255) : 255;
  }
  g.putImageData(out, x, y);
}

/** columns is how many pictures stand in a row of a grid of n. */
export function columns(n: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(n)));
}

/** download saves a canvas as a PNG. */
export function download(canvas: HTMLCanvasElement, name: string): void {
  const a = document.createElement("a");
  a.href = canvas.toDataURL("image/png");
  a.download = name;
  a.click();
}
