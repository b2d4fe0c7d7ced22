// Starts the product as a person would, on a free loopback port, and stops it afterwards.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const binary = join(import.meta.dirname, "../../../bin/manifold");

/** start runs `manifold up` and resolves once it says where the page is. */
export async function start() {
  const home = mkdtempSync(join(tmpdir(), "manifold-test-"));
  const env = { ...process.env, HOME: home, XDG_CACHE_HOME: join(home, "cache"), XDG_DATA_HOME: join(home, "data") };
  const child = spawn(binary, ["up", "--addr", "127.0.0.1:0"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("manifold up said no address within 180 s")), 180_000);
    child.once("exit", (code) => reject(new Error(`manifold up ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = line.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[0]);
    });
  });
  return {
    url,
    env,
    home,
    command: (...args) => execFileSync(binary, args, { env, encoding: "utf8" }),
    kill: (signal = "SIGKILL") => child.kill(signal),
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => {
          rmSync(home, { recursive: true, force: true });
          resolve();
        });
        child.kill("SIGTERM");
      }),
  };
}
