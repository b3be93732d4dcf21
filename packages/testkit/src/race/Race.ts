/**
 * Many real processes find one expired login at the same moment. What became of it is taken from the server, from the
 * journals and from the processes, and nothing is guessed.
 *
 * @since 0.1.0
 */
import { JournalRecord } from "@lockstep/core/RefreshJournal"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type * as LeakCheck from "../LeakCheck.js"
import type * as ChildProcess from "../processes/ChildProcess.js"
import * as ProcessHarness from "../processes/ProcessHarness.js"
import * as SeededHome from "../processes/SeededHome.js"
import * as AuthorizationServer from "../servers/AuthorizationServer.js"

/**
 * The program that is raced: it prints an access token of a tenant, refreshing when it must.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contender {
  /** Whether it keeps journals, which say who redeemed. Otherwise it says `refreshed` on stderr. */
  readonly journals: boolean
  readonly args: (file: string, tenant: string) => ReadonlyArray<string>
  /** In addition to the clean environment. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * The size of a race.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Over all tenants. */
  readonly processes: number
  readonly tenants: number
  /** How long a refresh travels to the server, in milliseconds. */
  readonly latency: number
}

/**
 * What became of one process. Milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runner {
  readonly pid: number
  readonly tenant: string
  readonly exit: number | null
  /** From the moment of its release to its end. */
  readonly took: number
  readonly did: "redeemed" | "adopted" | "failed"
  /** How long after the server's answer it ended with that token; `null` when it failed or ended before. */
  readonly after: number | null
  /** Whether the server still honours the token that it printed, asked when all had ended. */
  readonly alive: boolean
  /** The first line of what it said, where it failed. */
  readonly why: string | null
}

/**
 * What became of a race.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result extends Options {
  readonly runners: ReadonlyArray<Runner>
  /** Between the first process that went from the barrier and the last, by their own clocks, in milliseconds. */
  readonly spread: number
  /** What the server counted. */
  readonly server: {
    readonly redemptions: number
    readonly reuses: number
    readonly refusals: number
    readonly revocations: number
  }
  /** Processes that ended well, with a token that the server honours. */
  readonly survivors: number
  /** Tenants whose stored refresh token the server honours. */
  readonly logins: number
  readonly leaks: ReadonlyArray<LeakCheck.Leak>
}

/**
 * Whether every process has the new token at the price of one redemption per tenant, and no output shows a secret.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isClean = (result: Result): boolean =>
  result.server.redemptions === result.tenants && result.server.reuses === 0 && result.server.refusals === 0 &&
  result.server.revocations === 0 && result.survivors === result.processes && result.logins === result.tenants &&
  result.leaks.length === 0

const NANOS = 1_000_000

const millis = (from: bigint, to: bigint): number => Math.round(Number(to - from) / (NANOS / 10)) / 10

const decodeJournal = Schema.decodeUnknownEither(Schema.parseJson(JournalRecord))

/** The processes that the journal of a tenant names as having redeemed. */
const redeemersOf = (home: string, tenant: string): ReadonlyArray<number> => {
  const journal = decodeJournal(readFileSync(join(home, `auth.json.refresh.${tenant}.json`), "utf8"))
  return Either.isLeft(journal)
    ? []
    : journal.right.outcomes.filter(({ outcome }) => outcome === "granted").map(({ pid }) => pid)
}

const storedRefreshToken = (file: string, tenant: string): string => {
  try {
    const { tenants } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly tenants: Record<string, { readonly refresh_token: string }>
    }
    return tenants[tenant]?.refresh_token ?? ""
  } catch {
    // A process that writes in place, while others write, leaves a torn file.
    return ""
  }
}

/**
 * Runs one race with a server, logins and a home of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  contender: Contender,
  options: Options
): Effect.Effect<Result, ChildProcess.EndedEarly, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ latency: options.latency })
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const tenants = Array.from({ length: options.tenants }, (_, index) => `agent-${index + 1}`)
    const logins = yield* Effect.forEach(tenants, (tenant) => SeededHome.issue(server, tenant))
    const file = yield* SeededHome.write(harness.home, logins)
    const tenantOf = (index: number) => tenants[index % tenants.length]!

    const children = yield* harness.race(options.processes, (index) => ({
      args: contender.args(file, tenantOf(index)),
      prints: ["access_token"],
      ...(contender.env === undefined ? {} : { env: contender.env })
    }))
    const exits = yield* Effect.forEach(children, (child) => child.exit, { concurrency: "unbounded" })
    const released = yield* Effect.forEach(children, (child) => Effect.map(child.went, ({ monotonic }) => monotonic))

    // Counted before anything else is asked: what follows is ours.
    const { redemptions, refusals, reuses, revocations } = server.ledger
    const counted = {
      redemptions: redemptions.length,
      reuses: reuses.length,
      refusals: refusals.length,
      revocations: revocations.length
    }
    const journaled = contender.journals
      ? new Set(tenants.flatMap((tenant) => redeemersOf(dirname(file), tenant)))
      : null

    const runners = yield* Effect.forEach(children, (child, index) =>
      Effect.gen(function*() {
        const token = (yield* child.stdout).trim()
        const exit = exits[index]!
        const tenant = tenantOf(index)
        // Its own clock reading where it could take one: ours also counts our waiting for a processor.
        const ended = yield* Effect.orElseSucceed(Effect.map(child.left, ({ monotonic }) => monotonic), () => exit.at)
        const said = yield* child.stderr
        const redeemed = journaled === null ? said.startsWith("refreshed") : journaled.has(child.pid)
        const answered = redemptions.filter(({ accountId }) => accountId === tenant).at(-1)?.at.monotonic
        const failed = exit.code !== 0 || token === ""
        return {
          pid: child.pid,
          tenant,
          exit: exit.code,
          took: millis(released[index]!, ended),
          did: failed ? "failed" as const : redeemed ? "redeemed" as const : "adopted" as const,
          after: failed || answered === undefined || ended < answered ? null : millis(answered, ended),
          alive: !failed && (yield* server.isActive(token)),
          why: failed ? said.split("\n", 1)[0]! : null
        }
      }))
    const alive = yield* Effect.forEach(tenants, (tenant) => server.isActive(storedRefreshToken(file, tenant)))

    return {
      ...options,
      runners: [...runners].sort((a, b) => a.took - b.took),
      spread: millis(
        released.reduce((a, b) => a < b ? a : b),
        released.reduce((a, b) => a > b ? a : b)
      ),
      server: counted,
      survivors: runners.filter((runner) => runner.alive).length,
      logins: alive.filter(Boolean).length,
      leaks: yield* harness.leaks
    }
  })
