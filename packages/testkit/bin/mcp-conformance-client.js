#!/usr/bin/env node
import { main } from "../dist/mcp/McpConformanceClient.js"

main(process.argv[2]).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`)
    process.exit(1)
  }
)
