/**
 * What to do about each error, as a command that works as it is printed.
 *
 * A library does not know by which program it is used, so its own advice names no command and no variable. Whatever an
 * error says, its advice is put into the words of the command here, and gets the global options that the call had.
 *
 * @since 0.1.0
 */
import type { LockUnavailable, ReauthorizationRequired } from "@lockstep/core/Errors"
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/**
 * The words of a command, without the name of the program.
 *
 * @since 0.1.0
 * @category models
 */
export type Words = ReadonlyArray<string>

/**
 * A command as a person types it, in backticks.
 *
 * @since 0.1.0
 * @category rendering
 */
export const command = (...words: Words): string => `\`${["lockstep", ...words].map(ShellWord.quote).join(" ")}\``

/** Options that every command has and whose value says where it acts. */
const nameOf = (global: string): string => global.split("=")[0]!

const pairs = (globals: Words): ReadonlyArray<Words> => {
  const found: Array<Words> = []
  for (let i = 0; i < globals.length; i++) {
    found.push(globals[i]!.includes("=") ? [globals[i]!] : [globals[i]!, globals[++i] ?? ""])
  }
  return found
}

/** What is the same everywhere, or says where it acts itself. */
const goesAnywhere = (text: string, name: string): boolean =>
  / --help\b| vendors$/.test(text) || text.includes(` ${name} `) || text.includes(` ${name}=`)

/**
 * Gives the global options of a call to every command that a text names, so that it acts on the same home.
 *
 * @since 0.1.0
 * @category rendering
 */
export const withGlobals = (text: string, globals: Words): string =>
  globals.length === 0 ? text : text.replace(/`((?:[^`]*\| )?lockstep [^`]*)`/g, (whole, line: string) => {
    const missing = pairs(globals).filter(([name]) => !goesAnywhere(line, nameOf(name!)))
    if (missing.length === 0) return whole
    const more = missing.map((words) => words.map(ShellWord.quote).join(" ")).join(" ")
    const end = line.indexOf(" -- ")
    return end === -1 ? `\`${line} ${more}\`` : `\`${line.slice(0, end)} ${more}${line.slice(end)}\``
  })

/**
 * What to do about a login that has ended. `beginning` is the command that begins it.
 *
 * @since 0.1.0
 * @category getters
 */
export const reauthorization = (
  { reason, tenant }: Pick<ReauthorizationRequired, "tenant" | "reason">,
  beginning: Words
): string => {
  const login = `log in with ${command(...beginning)}`
  return reason === "OutcomeUnknown"
    ? `risk one more attempt with ${command("refresh", tenant, "--accept-risk")}, or ${login}`
    : login
}

const LOCKS: Partial<Record<LockUnavailable["reason"], string>> = {
  Unsupported: "set LOCKSTEP_LOCK_DIR to a directory on a local disk",
  Remote:
    "set LOCKSTEP_LOCK_DIR to a directory on a local disk, or LOCKSTEP_TRUST_LOCKS=1 if this one's locks really work",
  OtherDomain: "use the same LOCKSTEP_LOCK_DIR and the same host for every process of this store",
  NoBinding: "reinstall lockstep with its optional dependencies, or install util-linux"
}

/** What is read of an error, whose class may be any. */
interface Error {
  readonly _tag: string
  readonly advice: string
  readonly tenant?: string
  readonly reason?: string
  readonly remedy?: string | undefined
  readonly isUnexplained?: boolean
  readonly holder?: Option.Option<{ readonly stopped: boolean }>
  readonly kept?: string
  readonly scope?: ReadonlyArray<string>
}

/**
 * Whether an error brings advice.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAdvising = (error: unknown): error is Error =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) &&
  Predicate.hasProperty(error, "advice") && Predicate.isString(error.advice)

const login = (error: Error, beginning: Words): string => {
  const again = command(...beginning)
  const tenant = error.tenant ?? "TENANT"
  switch (error.reason) {
    case "AuthorizationPending":
      return `agree in the browser, then ask again with ${command("login", tenant, ...userOf(beginning), "--poll")}`
    case "ClientForgotten":
      return `start again with ${command(...withoutClient(beginning))}: another client is registered then`
    case "Denied":
    case "Expired":
    case "NotPending":
      return `start again with ${again}`
    default:
      return error.advice
  }
}

/** The login that is there is alive, as far as is known. */
const again = (beginning: Words, ...more: Words): Words => [
  ...beginning.filter((word) => word !== "--replace" && !more.includes(word)),
  ...more,
  "--replace"
]

/** A client that its server has forgotten is not named again. */
const withoutClient = (beginning: Words): Words => {
  const at = beginning.indexOf("--client-id")
  return at === -1 ? beginning : [...beginning.slice(0, at), ...beginning.slice(at + 2)]
}

const userOf = (beginning: Words): Words => {
  const at = beginning.indexOf("--user")
  return at === -1 ? [] : beginning.slice(at, at + 2)
}

/**
 * Says what to do about an error. `beginning` is the command that begins the login that it is about, and `isLogin` whether
 * that is the command that failed.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (error: Error, beginning: Words, isLogin = false): string => {
  const tenant = error.tenant ?? "TENANT"
  // Nothing is kept that waiting would help: the address may be mistyped.
  if (isLogin && error._tag === "ProviderUnavailable" && error.reason === "Transport") {
    return `check the address and the network, then try ${command(...beginning)} again; nothing was changed`
  }
  if (error.remedy !== undefined) return error.remedy
  switch (error._tag) {
    case "ReauthorizationRequired":
      return reauthorization({ tenant, reason: error.reason as ReauthorizationRequired["reason"] }, beginning)
    case "LoginFailed":
      return login(error, beginning)
    case "InsufficientScope": {
      const scopes = error.scope ?? []
      const asked = scopes.length === 0 ? ["--scope", "SCOPE"] : scopes.flatMap((scope) => ["--scope", scope])
      return `log in with ${command(...beginning, ...asked)}`
    }
    case "LockTimeout":
      return Option.exists(error.holder ?? Option.none(), ({ stopped }) => stopped)
        ? error.advice
        : `try again; ${command("status")} shows which process refreshes`
    case "LockUnavailable":
      return LOCKS[error.reason as LockUnavailable["reason"]] ?? error.advice
    case "ProviderTimeout":
      return "run the command again: it joins the running request, or makes the one retry that is safe"
    case "ProviderUnavailable":
      return error.reason === "Offline"
        ? "leave --no-refresh out, or ask again after another process has refreshed"
        : error.advice
    case "ProviderRejected":
      return error.isUnexplained === true
        ? `it does not say why; log in again with ${command(...again(beginning))}`
        : error.reason === "Resource"
        ? `if the server takes no \`resource\`, log in without it: ${command(...again(beginning, "--omit-resource"))}`
        : error.advice
    case "CredentialExists":
      return "repeat with --replace to replace it, or choose another tenant or profile"
    case "CredentialStoreError":
      return error.reason === "Superseded" ? "run the command again to take over what is stored now" : error.advice
    case "RotationNotPersisted":
      return error.kept === "AnswerFile"
        ? `free disk space or repair permissions, then run ${
          command("token", tenant)
        }: it stores the kept tokens, and nothing is redeemed twice`
        : `free disk space or repair permissions, then run ${
          command("token", tenant)
        }: where it asks for a login, the new tokens ended with this process`
    default:
      return error.advice
  }
}
