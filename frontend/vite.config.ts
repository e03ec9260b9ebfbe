import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  plugins: [svelte()],
  build: {
    outDir: "../src/fathom/studio/static",
    emptyOutDir: true,
    target: ["chrome111", "safari16.4", "firefox121"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
