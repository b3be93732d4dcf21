/**
 * The answer to `lockstep token TENANT` while the stored token is good, without loading anything.
 *
 * Hooks ask before every request, so start-up is what they pay for. This path may only say *yes*, and only where the
 * full command would say the very same: whatever it does not know, be it an option, a variable, a member of the wrong
 * type or a name that is there twice, it leaves to the full command by answering nothing.
 *
 * @since 0.1.0
 */
import * as Freshness from "@lockstep/core/Freshness"
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as fs from "node:fs"

/**
 * What an answer depends on. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: number
  readonly platform: string
  /** Reads a regular file; `undefined` is one that does not exist. Throws on anything else. */
  readonly read: (path: string) => string | undefined
}

/** The margin that is used where neither vendor nor environment names one. Milliseconds. */
const MARGIN = 120_000

/**
 * No vendor's own margin is larger. Milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const VENDOR_MARGIN = 300_000

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const own = (object: Json, name: string): unknown => Object.hasOwn(object, name) ? object[name] : undefined

const tenantOf = (args: ReadonlyArray<string>): string | undefined => {
  const [command, tenant = "", ...rest] = args
  const isPlain = rest.length === 0 || rest.length === 2 && rest[0] === "--format" && rest[1] === "raw"
  return command === "token" && isPlain && /^[A-Za-z0-9][\w.:@/-]{0,99}$/.test(tenant) ? tenant : undefined
}

const homeOf = ({ env, platform }: Question): string | undefined => {
  for (const name in env) {
    if (name.startsWith("LOCKSTEP_") && name !== "LOCKSTEP_HOME") return undefined
  }
  const named = env["LOCKSTEP_HOME"]
  if (named !== undefined) return platform !== "win32" && named.startsWith("/") ? named : undefined
  const user = env["HOME"]
  return platform !== "win32" && user !== undefined && user.startsWith("/") ? `${user}/.lockstep` : undefined
}

/** A variable that is set may come before the stored token; whether it counts is the full command's to say. */
const isFromEnvironment = ({ env }: Question, tenant: string): boolean =>
  SourceVariables.of(tenant).some(({ name }) => env[name] !== undefined)

const isOptional = (value: unknown, type: "string" | "object"): boolean =>
  value === undefined || value === null || (type === "string" ? typeof value === "string" : isObject(value))

const TEXTS = [
  "vendor",
  "issuer",
  "token_endpoint",
  "revocation_endpoint",
  "client_id",
  "client_secret",
  "token_endpoint_auth_method",
  "access_token",
  "refresh_token",
  "id_token",
  "token_type",
  "scope",
  "resource",
  "resource_parameter",
  "grant",
  "subject_token_endpoint",
  "subject_client_id",
  "authorize_parameters",
  "last_redeem"
]
const TIMES = ["expires_at", "obtained_at", "login_expires_at", "client_secret_expires_at"]

const isTime = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === "number" && value > 0 && Number.isFinite(value)

const isSound = (entry: Json): boolean => {
  const generation = own(entry, "generation")
  const account = own(entry, "account")
  return TEXTS.every((name) => isOptional(own(entry, name), "string")) &&
    ["access_token", "refresh_token", "id_token"].every((name) => own(entry, name) !== "") &&
    TIMES.every((name) => isTime(own(entry, name))) &&
    (generation === undefined || Number.isSafeInteger(generation) && (generation as number) >= 0) &&
    (account === undefined || account === null ||
      isObject(account) && isOptional(own(account, "id"), "string") && isOptional(own(account, "label"), "string"))
}

const countNames = (value: unknown): number =>
  Array.isArray(value)
    ? value.reduce((sum: number, element: unknown) => sum + countNames(element), 0)
    : isObject(value)
    ? Object.values(value).reduce((sum: number, element) => sum + 1 + countNames(element), 0)
    : 0

// JSON.parse keeps the last of two members of one name and says nothing. In text that is known to be JSON, a string
// before a colon is a name; if there are as many as the value has, none is there twice.
const hasDuplicates = (text: string, value: unknown): boolean => {
  let names = 0
  for (const [match] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?/g)) if (match.endsWith(":")) names++
  return names !== countNames(value)
}

const isPinnedElsewhere = (text: string | undefined): boolean => {
  if (text === undefined) return false
  const pin: unknown = JSON.parse(text)
  return !isObject(pin) || pin["store"] !== "file" || typeof pin["host"] !== "string" ||
    !isOptional(own(pin, "lock_dir"), "string")
}

const find = (question: Question): string | undefined => {
  const tenant = tenantOf(question.args)
  const home = tenant === undefined ? undefined : homeOf(question)
  if (tenant === undefined || home === undefined || isFromEnvironment(question, tenant)) return undefined
  const text = question.read(`${home}/auth.json`)
  if (text === undefined || isPinnedElsewhere(question.read(`${home}/store.json`))) return undefined

  const file: unknown = JSON.parse(text)
  if (!isObject(file) || own(file, "version") !== 1 || Object.hasOwn(file, "moved_to")) return undefined
  const tenants = own(file, "tenants")
  if (!isObject(tenants)) return undefined
  // U+212A is another way to write K.
  if (Object.keys(tenants).some((name) => name !== tenant && name.normalize("NFC") === tenant)) return undefined
  const entry = own(tenants, tenant)
  if (!isObject(entry) || !isSound(entry) || hasDuplicates(text, file)) return undefined

  const accessToken = own(entry, "access_token")
  const lifetime: Freshness.Lifetime = {
    expiresAt: own(entry, "expires_at") as number | undefined ?? null,
    obtainedAt: own(entry, "obtained_at") as number | undefined ?? null
  }
  const margin = typeof own(entry, "vendor") === "string" ? VENDOR_MARGIN : MARGIN
  return typeof accessToken === "string" && Freshness.isFresh(lifetime, { now: question.now, margin, minTtl: 0 })
    ? accessToken
    : undefined
}

/**
 * The token, where it is beyond doubt the answer; else nothing, and never an error.
 *
 * @since 0.1.0
 * @category getters
 */
export const answer = (question: Question): string | undefined => {
  try {
    return find(question)
  } catch {
    return undefined
  }
}

/**
 * Reads a regular file as strict UTF-8; `undefined` where there is none. A FIFO in its place throws instead of hanging.
 *
 * @since 0.1.0
 * @category constructors
 */
export const readFile = (path: string): string | undefined => {
  let fd: number
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    if (!fs.fstatSync(fd).isFile()) throw new Error("not a regular file")
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fs.readFileSync(fd))
  } finally {
    fs.closeSync(fd)
  }
}
