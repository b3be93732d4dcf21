#!/usr/bin/env node
try {
  require("../dist/main.js")
} catch (error) {
  if (error?.code !== "MODULE_NOT_FOUND" || !String(error.message).includes("main.js")) throw error
  process.stderr.write("lockstep: the command is not built yet\n→ run `npm run build` in the repository\n")
  process.exitCode = 1
}
