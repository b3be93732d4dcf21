/**
 * Runs the client scenarios of the conformance suite of MCP that are about authorization, one line each. The suite needs
 * Node 22; the line that stands here for a scenario says what is expected of each way to log in.
 *
 * @since 0.1.0
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * Who logs in: we, or the SDK of either line with a provider of ours.
 *
 * @since 0.1.0
 * @category models
 */
export type Mode = "lockstep" | "v1" | "v2"

/**
 * A scenario, and why it is not expected to pass in some way to log in. Without a reason it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scenario {
  readonly name: string
  readonly not?: Partial<Record<Mode, string>>
}

const OLD_SDK = "the suite plays it in MCP 2026-07-28 alone, which SDK 1 does not speak"
const NO_PERSON =
  "the provider is one for logins of people; a grant without one is `lockstep login --grant`, and the `fetch` uses it"
const NO_WORKLOAD = "an assertion of a workload is asked for anew each time, and the command takes none"

const NO_PROOF =
  "tokens that are bound to a key (DPoP, RFC 9449) are not asked for: what is stored would have to be signed with"

const ofPeople = { v1: NO_PERSON, v2: NO_PERSON }
const everywhere = (reason: string) => ({ lockstep: reason, v1: reason, v2: reason })

/**
 * Every scenario of version 0.2.0-alpha.12 of the suite that is about authorization.
 *
 * @since 0.1.0
 * @category constants
 */
export const SCENARIOS: ReadonlyArray<Scenario> = [
  { name: "auth/metadata-default" },
  { name: "auth/metadata-var1" },
  { name: "auth/metadata-var2" },
  { name: "auth/metadata-var3" },
  { name: "auth/basic-cimd" },
  { name: "auth/scope-from-www-authenticate" },
  { name: "auth/scope-from-scopes-supported" },
  { name: "auth/scope-omitted-when-undefined" },
  { name: "auth/scope-step-up" },
  { name: "auth/scope-retry-limit" },
  { name: "auth/token-endpoint-auth-basic" },
  { name: "auth/token-endpoint-auth-post" },
  { name: "auth/token-endpoint-auth-none" },
  { name: "auth/pre-registration" },
  { name: "auth/2025-03-26-oauth-metadata-backcompat" },
  { name: "auth/2025-03-26-oauth-endpoint-fallback" },
  { name: "auth/resource-mismatch" },
  { name: "auth/offline-access-scope", not: { v1: OLD_SDK } },
  { name: "auth/offline-access-not-supported", not: { v1: OLD_SDK } },
  { name: "auth/authorization-server-migration", not: { v1: OLD_SDK } },
  { name: "auth/iss-supported", not: { v1: OLD_SDK } },
  { name: "auth/iss-not-advertised", not: { v1: OLD_SDK } },
  { name: "auth/iss-supported-missing" },
  { name: "auth/iss-wrong-issuer" },
  { name: "auth/iss-unexpected" },
  { name: "auth/iss-normalized" },
  { name: "auth/metadata-issuer-mismatch" },
  { name: "auth/client-credentials-jwt", not: ofPeople },
  { name: "auth/client-credentials-basic", not: ofPeople },
  { name: "auth/enterprise-managed-authorization", not: ofPeople },
  { name: "auth/wif-jwt-bearer", not: everywhere(NO_WORKLOAD) },
  { name: "auth/dpop", not: everywhere(NO_PROOF) },
  { name: "auth/dpop-nonce", not: everywhere(NO_PROOF) }
]

/** The document that the suite wants to see named. Its address does not exist, and it is not read. */
const DOCUMENT = "https://conformance-test.local/client-metadata.json"

const CLIENT = fileURLToPath(new URL("../../bin/mcp-conformance-client.js", import.meta.url))

const suite = (): string => {
  const packageJson = createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json")
  return join(packageJson, "../dist/index.js")
}

/** A word of the command line that the suite gives to a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

interface Run {
  readonly passed: boolean
  readonly output: string
}

const run = (name: string, mode: Mode): Promise<Run> => {
  const home = mkdtempSync(join(tmpdir(), "lockstep-conformance-"))
  return new Promise<Run>((resolve, reject) => {
    const command = `${quoted(process.execPath)} ${quoted(CLIENT)}`
    const child = spawn(process.execPath, [suite(), "client", "--command", command, "--scenario", name], {
      cwd: home,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: home,
        LOCKSTEP_HOME: join(home, "lockstep"),
        LOCKSTEP_CONFORMANCE: mode,
        ...(name === "auth/basic-cimd" ? { LOCKSTEP_CLIENT_METADATA_URL: DOCUMENT } : {})
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    child.stdout.on("data", (chunk) => output += String(chunk))
    child.stderr.on("data", (chunk) => output += String(chunk))
    child.once("error", reject)
    child.once("close", (code) => resolve({ passed: code === 0, output }))
  }).finally(() => rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
}

/**
 * Runs every scenario in every way, and answers whether all went as expected: what should pass passes, and what is said
 * not to pass does not, or the reason is out of date.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = async (options: {
  readonly modes: ReadonlyArray<Mode>
  readonly scenario?: string | undefined
  readonly write: (line: string) => void
}): Promise<boolean> => {
  const plays = SCENARIOS.filter(({ name }) => options.scenario === undefined || options.scenario === name).flatMap(
    ({ name, not }) => options.modes.map((mode) => ({ name, mode, reason: not?.[mode] }))
  )
  const results: Array<Promise<Run>> = []
  let asExpected = true
  let passed = 0
  for (const [index, { mode, name, reason }] of plays.entries()) {
    // A few at a time, told in their order.
    while (results.length < plays.length && results.length < index + availableParallelism()) {
      const next = plays[results.length]!
      results.push(run(next.name, next.mode))
    }
    const result = await results[index]!
    const head = `${name.padEnd(44)} ${mode.padEnd(9)}`
    if (result.passed) passed++
    if (result.passed && reason === undefined) options.write(`${head} passed`)
    else if (!result.passed && reason !== undefined) options.write(`${head} not expected to pass: ${reason}`)
    else {
      asExpected = false
      options.write(`${head} ${result.passed ? `passed, though it is said that ${reason}` : "FAILED"}`)
      if (!result.passed) options.write(result.output)
    }
  }
  options.write(`${passed} passed`)
  return asExpected
}
