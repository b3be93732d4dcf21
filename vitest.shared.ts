import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// `npm test` leaves out what plays crowds of processes, kills at every step, real programs and fuzzers against each other, by
// name: `….long.test.ts`. `npm run test:long` runs just that, and so does a line that names such a file.
const isLong = process.argv.some((word) => word.includes(".long."))

// Tests of one package import the others through their exports. Without the source
// condition they would run whatever was built last.
export default defineConfig({
  ssr: { resolve: { conditions: ["@lockstep/source", "module", "node", "development|production"] } },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: isLong ? [] : ["**/*.long.test.ts"],
    globalSetup: [fileURLToPath(new URL("vitest.bundles.ts", import.meta.url))],
    server: { deps: { inline: [/@lockstep\//] } },
    // Real processes on two cores: generous, because a timeout here is a hang and never a measurement.
    testTimeout: 240_000,
    hookTimeout: 240_000
  }
})
