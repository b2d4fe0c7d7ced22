// Codes as the API carries them: rows of little-endian float32.
import { DataType } from "../gen/manifold/tensor/v1/tensor_pb";
import type { Codes } from "../gen/manifold/vae/v1/vae_pb";

/** toCodes writes rows of one length into a message. */
export function toCodes(rows: number[][]): { values: { dtype: DataType; shape: bigint[]; data: Uint8Array<ArrayBuffer> } } {
  const k = rows[0]?.length ?? 0;
  const data = new DataView(new ArrayBuffer(4 * rows.length * k));
  rows.forEach((row, i) => row.forEach((v, j) => data.setFloat32(4 * (i * k + j), v, true)));
  return { values: { dtype: DataType.F32, shape: [BigInt(rows.length), BigInt(k)], data: new Uint8Array(data.buffer) } };
}

/** fromCodes reads the rows of a message. */
export function fromCodes(c: Codes | undefined): number[][] {
  const t = c?.values;
  if (!t) return [];
  const k = Number(t.shape[1] ?? 0n);
  const data = new DataView(t.data.buffer, t.data.byteOffset, t.data.byteLength);
  return Array.from({ length: Number(t.shape[0] ?? 0n) }, (_, i) => Array.from({ length: k }, (_, j) => data.getFloat32(4 * (i * k + j), true)));
}
