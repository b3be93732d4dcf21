#!/usr/bin/env node
import("node:module").then(({ enableCompileCache }) => enableCompileCache?.())
  .then(() => import("../dist/main.js"))
  .catch((error) => {
    if (error?.code !== "ERR_MODULE_NOT_FOUND" || !String(error.message).includes("dist/main.js")) throw error
    process.stderr.write("lockstep: it is not built yet\n→ run `npm run build` in the repository\n")
    process.exitCode = 1
  })
