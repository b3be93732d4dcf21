#!/usr/bin/env node
try {
  require("../dist/main.js")
} catch (error) {
  const isFull = error?.code === "EMFILE" || error?.code === "ENFILE"
  const isMissing = error?.code === "MODULE_NOT_FOUND" && String(error.message).includes("main.js")
  if (!isFull && !isMissing) throw error
  const [what, advice] = isFull
    ? [
      `this process may open no more files (${error.code})`,
      "allow more, such as with `ulimit -n 256`; nothing was spent"
    ]
    : ["the command is not built yet", "run `npm run build` in the repository"]
  process.stderr.write(`lockstep: ${what}\n→ ${advice}\n`)
  process.exitCode = 1
}
