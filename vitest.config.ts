import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const workers = 2 * availableParallelism()

// What holds for a run as a whole; `vitest.workspace.ts` says what there is to run.
export default defineConfig({
  test: {
    // A worker keeps what it has imported for its next file: loading was a third of the processor time. Tests that
    // change their process put it back.
    isolate: false,
    // Half of the tests wait for other processes.
    maxWorkers: workers,
    minWorkers: workers
  }
})
