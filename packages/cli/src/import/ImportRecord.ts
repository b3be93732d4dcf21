/**
 * The JSON document that `lockstep import` takes over.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"

const MEMBERS = [
  "access_token",
  "refresh_token",
  "id_token",
  "token_type",
  "scope",
  "expires_at",
  "expires_in",
  "token_endpoint",
  "revocation_endpoint",
  "client_id",
  "client_secret",
  "client_secret_expires_at",
  "token_endpoint_auth_method",
  "login_expires_at",
  "vendor",
  "issuer",
  "resource",
  "account"
] as const

type Member = typeof MEMBERS[number]

/** 2100-01-01T00:00:00Z. A later expiry is one in milliseconds. */
const YEAR_2100 = 4_102_444_800

const EXAMPLE = "see `lockstep import --help` for the members"

// Member names are our own words; a value is never repeated.
const wrong = (message: string, advice: string = EXAMPLE): Either.Either<never, UsageError> =>
  Either.left(new UsageError({ reason: "Input", message, advice }))

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Fields = Readonly<Partial<Record<Member, unknown>>>

const fieldsOf = (value: unknown): Either.Either<Fields, UsageError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong("the input is not a JSON object")
  }
  // Own members only: the document may be anything. A null says as much as nothing.
  return Either.right(Object.fromEntries(
    Object.entries(value).filter(([name, member]) =>
      (MEMBERS as ReadonlyArray<string>).includes(name) && member !== null
    )
  ))
}

const text = (fields: Fields, member: Member): Either.Either<Option.Option<string>, UsageError> => {
  const value = fields[member]
  if (value === undefined) return Either.right(Option.none())
  if (typeof value !== "string") return wrong(`${member}: a string is expected`)
  if (value === "") return wrong(`${member}: is empty`)
  return Either.right(Option.some(value))
}

const seconds = (fields: Fields, member: Member): Either.Either<Option.Option<number>, UsageError> => {
  const value = fields[member]
  if (value === undefined) return Either.right(Option.none())
  const number = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof number !== "number" || !Number.isFinite(number)) return wrong(`${member}: a number of seconds is expected`)
  return number <= 0 ? wrong(`${member}: is not positive`) : Either.right(Option.some(number))
}

const isBeyond = (at: Option.Option<number>): boolean => Option.exists(at, (value) => value > YEAR_2100)

const beyond = (member: Member): Either.Either<never, UsageError> =>
  wrong(`${member}: is beyond the year 2100 (milliseconds?)`, "give seconds since the epoch")

const moment = (fields: Fields, member: Member): Either.Either<Option.Option<number>, UsageError> =>
  Either.flatMap(
    seconds(fields, member),
    (at): Either.Either<Option.Option<number>, UsageError> => isBeyond(at) ? beyond(member) : Either.right(at)
  )

const url = (fields: Fields, member: Member): Either.Either<Option.Option<string>, UsageError> =>
  Either.flatMap(text(fields, member), (value): Either.Either<Option.Option<string>, UsageError> => {
    if (Option.isNone(value)) return Either.right(value)
    const parsed = URL.canParse(value.value) ? new URL(value.value) : undefined
    return parsed !== undefined &&
        (parsed.protocol === "https:" || parsed.protocol === "http:" && LoopbackAddress.isLoopback(parsed.hostname)) &&
        parsed.username === "" && parsed.password === ""
      ? Either.right(value)
      : wrong(`${member}: an https URL is expected`)
  })

const account = (fields: Fields): Either.Either<Option.Option<Credential.Account>, UsageError> => {
  const value = fields.account
  if (value === undefined) return Either.right(Option.none())
  if (typeof value === "string" && value !== "") {
    return Either.right(Option.some(Credential.Account.make({ id: Option.none(), label: Option.some(value) })))
  }
  if (typeof value !== "object" || value === null) {
    return wrong("account: a string, or an object of id and label, is expected")
  }
  const { id, label } = value as { readonly id?: unknown; readonly label?: unknown }
  for (const [name, member] of [["id", id], ["label", label]]) {
    if (member !== undefined && member !== null && typeof member !== "string") {
      return wrong(`account.${name as string}: a string is expected`)
    }
  }
  return Either.right(Option.some(Credential.Account.make({
    id: Option.fromNullable(id as string | null | undefined),
    label: Option.fromNullable(label as string | null | undefined)
  })))
}

const expiry = (fields: Fields, now: number): Either.Either<Option.Option<number>, UsageError> =>
  Either.gen(function*() {
    const at = yield* seconds(fields, "expires_at")
    const within = yield* seconds(fields, "expires_in")
    if (Option.isSome(at) && Option.isSome(within)) {
      return yield* wrong("expires_at and expires_in: one of them is enough")
    }
    const expiresAt = Option.orElse(at, () => Option.map(within, (span) => Math.floor(now / 1000) + span))
    return isBeyond(expiresAt) ? yield* beyond(Option.isSome(at) ? "expires_at" : "expires_in") : expiresAt
  })

/** RFC 7591 section 3.2.1: 0 is a registration without an end. */
const registrationEnd = (fields: Fields): Either.Either<Option.Option<number>, UsageError> =>
  fields.client_secret_expires_at === 0
    ? Either.right(Option.none())
    : moment(fields, "client_secret_expires_at")

/** RFC 6750, section 2.1: one word, as `gh auth token` prints it. What is shorter is a mistake. */
const BARE_TOKEN = /^[\w.~+/-]{20,}=*$/

/**
 * Reads a document into a credential: a JSON object, or an access token and nothing else. `now` is milliseconds since
 * the epoch. Errors name the member and never quote its value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decode = (document: Redacted.Redacted, now: number): Either.Either<Credential.Credential, UsageError> =>
  Either.gen(function*() {
    const body = Redacted.value(document).replace(/^\uFEFF/, "")
    const value = BARE_TOKEN.test(body.trim()) ? { access_token: body.trim() } : parse(body)
    if (value === undefined) return yield* wrong("the input is neither JSON nor an access token")
    const fields = yield* fieldsOf(value)
    const accessToken = yield* text(fields, "access_token")
    const refreshToken = yield* text(fields, "refresh_token")
    if (Option.isNone(accessToken) && Option.isNone(refreshToken)) {
      return yield* wrong("access_token and refresh_token: at least one of them is needed")
    }
    const tokenEndpoint = yield* url(fields, "token_endpoint")
    const issuer = yield* url(fields, "issuer")
    const clientId = yield* text(fields, "client_id")
    const vendor = yield* text(fields, "vendor")
    if (Option.isSome(refreshToken) && Option.isNone(vendor)) {
      if (Option.isNone(tokenEndpoint) && Option.isNone(issuer)) {
        return yield* wrong("token_endpoint: is needed for a refresh token (or issuer, or vendor)")
      }
      if (Option.isNone(clientId)) return yield* wrong("client_id: is needed for a refresh token")
    }
    return Credential.Credential.make({
      vendor,
      issuer,
      tokenEndpoint,
      revocationEndpoint: yield* url(fields, "revocation_endpoint"),
      clientId,
      clientSecret: Option.map(yield* text(fields, "client_secret"), Redacted.make),
      clientSecretExpiresAt: yield* registrationEnd(fields),
      tokenEndpointAuthMethod: yield* text(fields, "token_endpoint_auth_method"),
      accessToken: Option.map(accessToken, Redacted.make),
      refreshToken: Option.map(refreshToken, Redacted.make),
      idToken: Option.map(yield* text(fields, "id_token"), Redacted.make),
      tokenType: yield* text(fields, "token_type"),
      scope: yield* text(fields, "scope"),
      resource: yield* text(fields, "resource"),
      expiresAt: yield* expiry(fields, now),
      obtainedAt: Option.some(Math.floor(now / 1000)),
      loginExpiresAt: yield* moment(fields, "login_expires_at"),
      account: yield* account(fields),
      generation: 0,
      lastRedeem: Option.none()
    })
  })
