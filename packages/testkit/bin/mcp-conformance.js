#!/usr/bin/env node
// Runs what the conformance suite of MCP asks of clients about authorization: all of it, or the scenario that is named.
import { main } from "../dist/mcp/McpConformance.js"

const asExpected = await main({
  modes: ["lockstep", "v1", "v2"],
  scenario: process.argv[2],
  write: (line) => process.stdout.write(`${line}\n`)
})
process.exitCode = asExpected ? 0 : 1
