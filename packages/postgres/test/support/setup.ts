import type { TestProject } from "vitest/node"
import * as Files from "../../../../vitest.files.js"

/** Starts the servers where one of their tests runs. */
export default async (project: TestProject) =>
  await Files.areBelow("packages/postgres", project) ? (await import("./servers.js")).provide(project) : undefined
