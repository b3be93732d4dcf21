import { defineWorkspace } from "vitest/config"

// `npm test` leaves out what plays crowds of processes, kills at every step, real programs and fuzzers against each other, by
// name: `….long.test.ts`. `npm run test:long` runs just that, and so does a line that names such a file.
const isLong = process.argv.some((word) => word.includes(".long."))

// One project: vitest gives each project workers of its own, one project after the other, and transforms and imports
// for each again what they share. What only some files need is made where one of these runs.
export default defineWorkspace([{
  extends: true,
  // Tests of one package import the others through their exports. Without the source
  // condition they would run whatever was built last.
  ssr: { resolve: { conditions: ["@lockstep/source", "module", "node", "development|production"] } },
  test: {
    name: "lockstep",
    include: ["packages/*/test/**/*.test.ts"],
    exclude: isLong ? [] : ["**/*.long.test.ts"],
    globalSetup: ["vitest.bundles.ts", "packages/cli/test/support/setup.ts", "packages/postgres/test/support/setup.ts"],
    server: { deps: { inline: [/@lockstep\//] } },
    // Real processes on two cores: generous, because a timeout here is a hang and never a measurement.
    testTimeout: 240_000,
    hookTimeout: 240_000
  }
}])
