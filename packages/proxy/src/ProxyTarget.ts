/**
 * Where a proxy leads: one origin and the part of it below one path. A token goes nowhere else.
 *
 * @since 0.1.0
 */
import { isLoopback } from "@lockstep/node/network/ProxyEnvironment"
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

const MESSAGES = {
  Address: "a proxy cannot lead to this address",
  Insecure: "plain http would show the token to the network",
  Extra: "the address must have no user, password, query or fragment",
  OtherOrigin: "the login is bound to another origin"
} as const

const ADVICE = {
  Address: "give an absolute URL: https://host/path",
  Insecure: "use https; plain http is for this machine alone",
  Extra: "put the query on the requests; the proxy attaches the token by itself",
  OtherOrigin: "lead the proxy to the resource of the login, or log in for this one under another tenant"
} as const

/**
 * A token may not be sent to this address.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyTargetRefused extends Data.TaggedError("ProxyTargetRefused")<{
  readonly reason: keyof typeof MESSAGES
  readonly tenant?: string
  /** The origin that the login is bound to. */
  readonly origin?: string
}> {
  override get message(): string {
    return `${MESSAGES[this.reason]}${this.origin === undefined ? "" : ` (${this.origin})`}`
  }
  get advice(): string {
    return ADVICE[this.reason]
  }
}

/**
 * Where a proxy leads.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyTarget {
  readonly origin: string
  /** As it was given. */
  readonly path: string
  /** What every path begins with: the path without a slash at its end. */
  readonly prefix: string
}

const parse = (text: string): URL | undefined => URL.canParse(text) ? new URL(text) : undefined

/**
 * Reads an address: https, or plain http to this machine.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromText = (text: string): Either.Either<ProxyTarget, ProxyTargetRefused> => {
  const url = parse(text)
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return Either.left(new ProxyTargetRefused({ reason: "Address" }))
  }
  if (url.protocol === "http:" && !isLoopback(url.href)) {
    return Either.left(new ProxyTargetRefused({ reason: "Insecure" }))
  }
  if (url.username !== "" || url.password !== "" || /[?#]/.test(text)) {
    return Either.left(new ProxyTargetRefused({ reason: "Extra" }))
  }
  return Either.right({ origin: url.origin, path: url.pathname, prefix: url.pathname.replace(/\/$/, "") })
}

const originOf = (resource: string): string | undefined => {
  const url = parse(resource)
  return url === undefined || !/^https?:$/.test(url.protocol) ? undefined : url.origin
}

/**
 * Whether a login may be used there: it is bound to that origin, or to none. RFC 8707 lets a resource be any URI; one
 * without an origin binds to none.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFor = (self: ProxyTarget, resource: Option.Option<string>): boolean =>
  Option.match(resource, {
    onNone: () => true,
    onSome: (text) => (originOf(text) ?? self.origin) === self.origin
  })

/**
 * The same, with a reason where it may not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (self: ProxyTarget, login: {
  readonly tenant: string
  readonly resource: Option.Option<string>
}): Either.Either<void, ProxyTargetRefused> => {
  if (isFor(self, login.resource)) return Either.right(undefined)
  const origin = Option.getOrUndefined(Option.flatMapNullable(login.resource, originOf))
  return Either.left(
    new ProxyTargetRefused({
      reason: "OtherOrigin",
      tenant: login.tenant,
      ...(origin === undefined ? {} : { origin })
    })
  )
}

/** Two slashes at the end of the proxy's own address stand for one that the target does not end in. */
const ONE_SLASH = "/"

/**
 * The path that stands behind one of the proxy's own, which is given without what leads up to the secret, and without
 * the slash behind it.
 *
 * @since 0.1.0
 * @category getters
 */
export const outward = (self: ProxyTarget, path: string): string =>
  path === "" ? self.path : path === ONE_SLASH ? `${self.prefix}/` : `${self.prefix}/${path}`

/**
 * What a `Location` becomes: below the target a path of the proxy, elsewhere an absolute address, to which the client
 * then goes by itself and without the token. `from` is the path that was asked for.
 *
 * @since 0.1.0
 * @category getters
 */
export const inward = (self: ProxyTarget, location: string, options: {
  readonly from: string
  /** The path of the proxy, with a slash at its end. */
  readonly base: string
}): string => {
  const from = `${self.origin}${options.from}`
  if (!URL.canParse(location, from)) return location
  const url = new URL(location, from)
  const rest = `${url.search}${url.hash}`
  if (url.origin !== self.origin) return url.href
  if (url.pathname === self.path) return `${options.base}${rest}`
  return url.pathname === `${self.prefix}/`
    ? `${options.base}${ONE_SLASH}${rest}`
    : url.pathname.startsWith(`${self.prefix}/`)
    ? `${options.base}${url.pathname.slice(self.prefix.length + 1)}${rest}`
    : url.href
}
