import type { TestProject } from "vitest/node"
import * as Files from "../../../../vitest.files.js"

/** Bundles the command where one of its tests runs. */
export default async (project: TestProject) =>
  await Files.areBelow("packages/cli", project) ? (await import("./bundle.js")).provide(project) : undefined
