import { defineWorkspace } from "vitest/config"

// Two packages bring up servers or programs for their tests. The others share their workers, and so what these have loaded.
export default defineWorkspace([
  "packages/cli/vitest.config.ts",
  "packages/postgres/vitest.config.ts",
  {
    extends: "./vitest.shared.ts",
    test: {
      name: "libraries",
      include: ["packages/!(cli|postgres)/test/**/*.test.ts"]
    }
  }
])
