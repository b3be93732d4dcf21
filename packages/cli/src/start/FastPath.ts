/**
 * What the stored record of a tenant means for a command that wants its token: judged out of the text of the files,
 * without loading anything.
 *
 * Hooks ask before every request, so start-up is what they pay for; and of many that find one expired token all but one
 * only wait. So the judgement is made here wherever the program would make the very same. Whatever it does not know, be
 * it a member of the wrong type, a name that is there twice or a time that no calendar knows, it leaves to the
 * program by saying that it doubts.
 *
 * @since 0.1.0
 */
import * as Freshness from "@lockstep/core/Freshness"
import * as TokenType from "@lockstep/core/TokenType"
import * as VendorMargins from "@lockstep/oauth/VendorMargins"
import type { TokenText } from "../token/TokenText.js"

/**
 * What a judgement depends on. Times are milliseconds, `now` since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly tenant: string
  readonly minTtl: number
  /** Any token but this one. */
  readonly rejected: string | undefined
  /** What `RefreshPolicy` says; a vendor may have a margin of its own. */
  readonly margin: number
  /** The account that the command set out with; another one's token is not for it. */
  readonly account: string | undefined
  readonly now: number
  /** The text of `auth.json`. */
  readonly text: string
}

/**
 * What is to be done. `Serve`: the token is the answer. `Refresh`: it is not, or only where no better comes (`settle`).
 * `Gone`: there is no record. `OtherAccount`: it is of another account than the one that the command set out with.
 * `Doubt`: the program has to judge.
 *
 * @since 0.1.0
 * @category models
 */
export type Judgement =
  | { readonly _tag: "Serve"; readonly token: TokenText }
  | { readonly _tag: "Refresh"; readonly settle: TokenText | undefined; readonly account: string | undefined }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "OtherAccount"; readonly account: string }
  | { readonly _tag: "Doubt" }

const DOUBT: Judgement = { _tag: "Doubt" }

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const own = (object: Json, name: string): unknown => Object.hasOwn(object, name) ? object[name] : undefined

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

/** The last second that a date can name: a time beyond it is for the program to make sense of. */
const LAST_DATE = 8.64e12

const isTime = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === "number" && value > 0 && value <= LAST_DATE

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

/** Deeper documents are refused by the parser that knows positions. */
const MAX_DEPTH = 1_000

/** Counts the names in a value; not a number where it is too deep. */
const countNames = (value: unknown, depth: number): number => {
  if (depth > MAX_DEPTH) return NaN
  if (typeof value !== "object" || value === null) return 0
  let names = 0
  if (Array.isArray(value)) { for (const element of value) names += countNames(element, depth + 1) }
  else for (const name of Object.keys(value)) names += 1 + countNames((value as Json)[name], depth + 1)
  return names
}

// JSON.parse keeps the last of two members of one name and says nothing. In text that is known to be JSON, a string
// before a colon is a name; if there are as many as the value has, none is there twice. An escaped name is written in
// another way than it reads, and `__proto__` is a member of a literal, not of what it inherits.
const isPlain = (text: string, value: unknown): boolean => {
  let names = 0
  for (const [match] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?/gs)) if (match.endsWith(":")) names++
  return names === countNames(value, 0)
}

/** In its last second, in milliseconds, a token is for the program to judge, which measures on two clocks. */
const LAST_MOMENT = 1_000

/** A token that goes into a line, a header or a shell as it is, and a type beside it. */
const VISIBLE = /^[\x21-\x7e]+$/

const tokenOf = (tenant: string, entry: Json): TokenText | undefined => {
  const token = own(entry, "access_token")
  if (typeof token !== "string") return undefined
  const account = own(entry, "account") as Json | null | undefined
  return {
    tenant,
    token,
    tokenType: TokenType.make(own(entry, "token_type") as string | null | undefined),
    expiresAt: own(entry, "expires_at") as number | null | undefined ?? null,
    account: account === null || account === undefined ? null : {
      id: own(account, "id") as string | null | undefined ?? null,
      label: own(account, "label") as string | null | undefined ?? null
    },
    generation: own(entry, "generation") as number | undefined ?? 0
  }
}

const find = (question: Question): Judgement => {
  const { now, tenant, text } = question
  const file: unknown = JSON.parse(text)
  if (!isObject(file) || own(file, "version") !== 1 || Object.hasOwn(file, "moved_to")) return DOUBT
  const tenants = own(file, "tenants")
  if (!isObject(tenants)) return DOUBT
  // U+212A is another way to write K.
  if (Object.keys(tenants).some((name) => name !== tenant && name.normalize("NFC") === tenant)) return DOUBT
  const entry = own(tenants, tenant)
  if (!isPlain(text, file)) return DOUBT
  if (entry === undefined) return { _tag: "Gone" }
  if (!isObject(entry) || !isSound(entry)) return DOUBT

  const token = tokenOf(tenant, entry)
  if (token === undefined) {
    // Without a refresh token it is no record of ours.
    return typeof own(entry, "refresh_token") === "string"
      ? { _tag: "Refresh", settle: undefined, account: undefined }
      : DOUBT
  }
  if (!VISIBLE.test(token.token) || !VISIBLE.test(token.tokenType)) return DOUBT
  const account = token.account?.id ?? undefined
  if (question.account !== undefined && account !== undefined && account !== question.account) {
    return { _tag: "OtherAccount", account }
  }

  const lifetime: Freshness.Lifetime = {
    expiresAt: token.expiresAt,
    obtainedAt: own(entry, "obtained_at") as number | undefined ?? null
  }
  const margin = VendorMargins.of(own(entry, "vendor")) ?? question.margin
  if (token.token !== question.rejected) {
    if (Freshness.isFresh(lifetime, { now, margin, minTtl: question.minTtl })) {
      return Freshness.isUnexpired(lifetime, now + LAST_MOMENT) ? { _tag: "Serve", token } : DOUBT
    }
    if (Freshness.isUnexpired(lifetime, now, question.minTtl)) return { _tag: "Refresh", settle: token, account }
  }
  return { _tag: "Refresh", settle: undefined, account }
}

/**
 * Judges a record. Never throws.
 *
 * @since 0.1.0
 * @category getters
 */
export const judge = (question: Question): Judgement => {
  try {
    return find(question)
  } catch {
    return DOUBT
  }
}

/**
 * What a home was pinned to: where its locks lie, or beside the store. A home without a pin has the file beside its locks,
 * and is pinned by its first write.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pin {
  readonly lockDirectory: string | undefined
}

/**
 * Reads the text of `store.json`; nothing where the store is another one, or the text is not understood.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pinOf = (text: string | undefined): Pin | undefined => {
  if (text === undefined) return { lockDirectory: undefined }
  try {
    const pin: unknown = JSON.parse(text)
    if (!isObject(pin) || !isPlain(text, pin) || own(pin, "store") !== "file") return undefined
    const lockDirectory = own(pin, "lock_dir") ?? undefined
    return typeof own(pin, "host") === "string" && (lockDirectory === undefined || typeof lockDirectory === "string")
      ? { lockDirectory }
      : undefined
  } catch {
    return undefined
  }
}
