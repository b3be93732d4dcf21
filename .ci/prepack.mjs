// Builds before a package is packed. The release builds once for all packages and says so.
import { execFileSync } from "node:child_process"
import { resolve } from "node:path"

if (process.env.LOCKSTEP_RELEASE_BUILT !== "1") {
  execFileSync("npm", ["run", "--silent", "build"], { cwd: resolve(import.meta.dirname, ".."), stdio: "inherit" })
}
