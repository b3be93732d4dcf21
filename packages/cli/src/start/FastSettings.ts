/**
 * What the environment says, as far as it concerns the start of the command. A variable that is for something else does
 * not matter here; one that would be refused, or means more than is understood here, leaves everything to the program.
 *
 * @since 0.1.0
 */
import * as DurationText from "@lockstep/core/DurationText"
import * as Path from "node:path"
import type { FastLine } from "./FastLine.js"

/**
 * The settings in force. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface FastSettings {
  /** The home, absolute, as it was named; nothing where none is and the user has no directory. */
  readonly home: string | undefined
  /** Whether a home was named. */
  readonly isHomeNamed: boolean
  /** The store that was named. */
  readonly store: string | undefined
  readonly margin: number
  /** Whether the margin is one that was asked for. */
  readonly isMarginSet: boolean
  readonly staleWait: number
  readonly lockTimeout: number
  /** Where lock files lie; beside the store where nothing is said. */
  readonly lockDirectory: string | undefined
  readonly trustLocks: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULTS = {
  MARGIN: 120_000,
  STALE_WAIT: 2_000,
  QUIET_TIME: 2_000,
  PROVIDER_TIMEOUT: 8_000,
  REDEEM_LIMIT: 15_000,
  AGGREGATE_LOCK_TIMEOUT: 5_000,
  PERSIST_RETRY: 2_000,
  REVOKE_TIMEOUT: 5_000,
  RETURN_WAIT: 300_000,
  LOCK_TIMEOUT: 30_000
} as const

type Bound = keyof typeof DEFAULTS

const MAY_BE_ZERO: ReadonlySet<string> = new Set<Bound>(["MARGIN", "STALE_WAIT", "QUIET_TIME", "PERSIST_RETRY"])

const SWITCHES: Readonly<Record<string, boolean>> = { true: true, "1": true, false: false, "0": false }

/** The bounds of `RefreshPolicy`, where its layer would be built with them. */
const bounds = (env: Environment): Readonly<Record<Bound, number>> | undefined => {
  const all: Record<Bound, number> = { ...DEFAULTS }
  let isSet = false
  for (const name of Object.keys(DEFAULTS) as ReadonlyArray<Bound>) {
    const text = env[`LOCKSTEP_${name}`]
    if (text === undefined) continue
    isSet = true
    const millis = DurationText.millis(text)
    if (millis === undefined || !Number.isFinite(millis) || millis === 0 && !MAY_BE_ZERO.has(name)) return undefined
    all[name] = millis
  }
  return !isSet ||
      all.LOCK_TIMEOUT > all.REDEEM_LIMIT + all.AGGREGATE_LOCK_TIMEOUT + all.PERSIST_RETRY &&
        2 * all.QUIET_TIME <= all.REDEEM_LIMIT
    ? all
    : undefined
}

/** Whether a switch is off, or on, or not for us to read. */
const switched = (text: string | undefined): boolean | undefined =>
  text === undefined ? false : Object.hasOwn(SWITCHES, text) ? SWITCHES[text] : undefined

const nonEmpty = (text: string | undefined): string | undefined => text?.trim() === "" ? undefined : text

/**
 * Reads the settings; nothing where the program has to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (line: Pick<FastLine, "home" | "store">, env: Environment): FastSettings | undefined => {
  const store = nonEmpty(env["LOCKSTEP_STORE"])
  const trustLocks = switched(env["LOCKSTEP_TRUST_LOCKS"])
  const serveUnpersisted = switched(env["LOCKSTEP_SERVE_UNPERSISTED"])
  const policy = bounds(env)
  const user = nonEmpty(env["HOME"])
  const named = line.home ?? nonEmpty(env["LOCKSTEP_HOME"])
  const home = named ?? (user === undefined ? undefined : Path.join(user, ".lockstep"))
  if (
    store !== undefined && store !== "file" || trustLocks === undefined || serveUnpersisted === undefined ||
    policy === undefined
  ) return undefined
  const lockDirectory = nonEmpty(env["LOCKSTEP_LOCK_DIR"])
  return {
    home: home === undefined ? undefined : Path.resolve(home),
    isHomeNamed: named !== undefined,
    store: line.store ?? store,
    margin: policy.MARGIN,
    isMarginSet: env["LOCKSTEP_MARGIN"] !== undefined,
    staleWait: policy.STALE_WAIT,
    lockTimeout: policy.LOCK_TIMEOUT,
    lockDirectory: lockDirectory === undefined ? undefined : Path.resolve(lockDirectory),
    trustLocks
  }
}
