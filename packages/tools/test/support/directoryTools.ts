import type { LockFile } from "@lockstep/node/locks/LockFile"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as DirectoryLocks from "@lockstep/testkit/processes/DirectoryLocks"
import { isEvent } from "@lockstep/testkit/processes/LockProcesses"
import type * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import type * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as ClaudeCode from "@lockstep/tools/adapters/ClaudeCode"
import * as Pi from "@lockstep/tools/adapters/Pi"
import type { ToolFile } from "@lockstep/tools/ToolFile"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

/** What a process of ours over a tool's file is told. */
export interface Settings {
  readonly tool: "pi" | "claude-code"
  readonly file: string
  readonly tenant: string
  /** Whether a dead holder is one after two seconds: the least that the library allows. */
  readonly quick?: boolean
  /** Seconds that a write waits for the lock. */
  readonly patience?: number
  readonly server?: Pick<AuthorizationServer.AuthorizationServer, "tokenEndpoint" | "clientId">
  readonly stop?: StepTracer.Point & { readonly signal: "SIGKILL" | "SIGSTOP" }
}

const quick = (one: LockFile): LockFile =>
  one._tag === "Kernel"
    ? one
    : { ...one, stale: Duration.millis(DirectoryLocks.STALE), heartbeat: Duration.millis(DirectoryLocks.STALE / 10) }

export const toolOf = ({ quick: isQuick, tool }: Settings): ToolFile => {
  const real = tool === "pi" ? Pi.tool : ClaudeCode.tool
  return isQuick === true ? { ...real, locks: (...args) => real.locks(...args).map(quick) } : real
}

const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" }

/** A process of ours over a tool's file. */
export const ours = (settings: Settings) =>
  Effect.gen(function*() {
    const bundle = yield* Bundle.make(new URL("../fixtures/directoryToolWorker.ts", import.meta.url))
    const child = yield* ChildProcess.spawn({ args: [bundle, JSON.stringify(settings)], env })
    yield* child.message(isEvent("ready"))
    return child
  })

/** The locks that the tool itself takes: of a refresh, of a write within one, and of a write alone. Said anew here. */
export const locksOf = ({ file, quick: isQuick, tool }: Settings) => {
  const lock = (path: string, stale: number) => ({
    lock: path,
    options: { stale: isQuick === true ? DirectoryLocks.STALE : stale }
  })
  if (tool === "pi") {
    const both = lock(`${file}.lock`, 30_000)
    return { refresh: [both], write: [], alone: both }
  }
  const directory = Path.dirname(file)
  const write = lock(Path.join(directory, ".storage-write.lock"), 15_000)
  const refresh = [lock(Path.join(directory, ".oauth_refresh.lock"), 60_000), lock(`${directory}.lock`, 60_000)]
  return { refresh, write: [write], alone: write }
}

/** What the file of each tool says of a login, with unknown members. */
export const textOf = (tool: Settings["tool"], tokens: {
  readonly access: string
  readonly refresh: string
  readonly expires: number
}): string =>
  tool === "pi"
    ? `{
  "anthropic": {"type": "oauth", "refresh": "${tokens.refresh}", "access": "${tokens.access}", "expires": ${tokens.expires}},
  "google": {"type": "api_key", "key": "k\\u0065y", "big": 18446744073709551615},
  "counted": {"first": 0, "second": 0}
}`
    : `{"claudeAiOauth":{"accessToken":"${tokens.access}","refreshToken":"${tokens.refresh}","expiresAt":${tokens.expires},`
      + "\"scopes\":[\"user:profile\"],\"subscriptionType\":\"max\",\"big\":18446744073709551615},"
      + " \"mcpOAuth\": {\"l\\u0069near|0\":{\"serverName\":\"linear\"}},\"counted\":{\"first\":0,\"second\":0}}"

/** The same text without what those change that write it: tokens, expiry, counts. */
export const stable = (text: string): string =>
  text
    .replace(/("(?:refresh|access|refreshToken|accessToken)"\s*:\s*)"[^"]*"/g, "$1\"\"")
    .replace(/("(?:expires|expiresAt|first|second)"\s*:\s*)\d+/g, "$10")

export const tenantOf = (tool: Settings["tool"]): string => tool === "pi" ? "anthropic" : "anthropic-oauth"

/** A tool's directory and its file with a login. */
export const place = (
  tool: Settings["tool"],
  tokens: { readonly access: string; readonly refresh: string; readonly expires: number }
) =>
  Effect.map(Homes.temporary, (directory): Settings => {
    const home = Path.join(directory, "tool")
    Fs.mkdirSync(home, { mode: 0o700 })
    const file = Path.join(home, tool === "pi" ? "auth.json" : ".credentials.json")
    Fs.writeFileSync(file, textOf(tool, tokens), { mode: 0o600 })
    return { tool, file, tenant: tenantOf(tool) }
  })
