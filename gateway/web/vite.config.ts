import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// The build is committed and embedded in the gateway, so that running Manifold needs Go alone; it must come out the same
// on every machine.
export default defineConfig({
  plugins: [svelte()],
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 400 },
  server: { proxy: { "^/(manifold\\.|v1/)": "http://127.0.0.1:8080" } },
});
