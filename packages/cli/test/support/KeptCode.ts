/**
 * Runs one command of each kind to a good end, so that the code that V8 made of the program is kept before the first test:
 * what fails keeps none, and most of what tests start is meant to fail.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

/** By the kind of code that each leaves: `refresh`, `token`, other, `status`, `doctor`. */
const LINES = [["token", "a"], ["token", "b", "--max-wait", "1m"], ["refresh", "a"], ["status"], [
  "doctor",
  "--offline"
]]

const ENDED = 1

const login = (endpoint: string) => ({
  access_token: "warm",
  refresh_token: "warm",
  token_type: "Bearer",
  token_endpoint: endpoint,
  client_id: "warm",
  obtained_at: ENDED,
  expires_at: ENDED,
  generation: 1
})

export const make = async (bin: string): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "lockstep-code-"))
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ access_token: "warm", token_type: "Bearer", expires_in: 3600 }))
  })
  try {
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const home = join(directory, "home")
    mkdirSync(home, { mode: 0o700 })
    const tenants = { a: login(endpoint), b: login(endpoint) }
    writeFileSync(join(home, "auth.json"), JSON.stringify({ version: 1, tenants }), { mode: 0o600 })
    const env = { PATH: process.env["PATH"], HOME: directory, TMPDIR: directory, LOCKSTEP_HOME: home }
    // What fails keeps nothing, and a test says why it fails.
    for (const line of LINES) await promisify(execFile)(process.execPath, [bin, ...line], { env }).catch(() => {})
  } finally {
    server.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}
