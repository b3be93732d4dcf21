import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The files of one run share the programs that they bundle: the first that needs one makes it. */
export default async () => {
  const directory = await mkdtemp(join(tmpdir(), "lockstep-bundles-"))
  process.env["LOCKSTEP_TEST_BUNDLES"] = directory
  return () => rm(directory, { recursive: true, force: true })
}
