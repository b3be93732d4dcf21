/**
 * Whether a request that failed without an answer can have reached the server, as far as the error of a `fetch` tells.
 * What opens its connections itself knows better, and has no use for this.
 *
 * Only a failure to open the connection proves that it cannot: no name, no listener, no route, no trusted
 * certificate, no tunnel through the proxy. A reset connection proves nothing, since the server may have read the
 * request and then hung up.
 *
 * @since 0.1.0
 */
import * as ErrorCode from "@lockstep/core/ErrorCode"
import * as Data from "effect/Data"

/**
 * What a failure says about the request.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportFailure = Data.TaggedEnum<{
  /** Not a byte of the request left. */
  NeverSent: { readonly detail: string }
  /** Perhaps all of it did. */
  MaybeSent: { readonly detail: string }
}>

/**
 * Constructors of {@link TransportFailure}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const TransportFailure = Data.taggedEnum<TransportFailure>()

const RESOLUTION = /^(?:ENOTFOUND|EAI_[A-Z]+)$/

/** Errors of the `connect` system call. The same numbers come from reading and writing, where they prove nothing. */
const CONNECT = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "ETIMEDOUT",
  "EACCES",
  "EPERM"
])

/** Failures of certificate verification, as OpenSSL and Node name them. */
const CERTIFICATE =
  /^(?:CERT_[A-Z_]+|UNABLE_TO_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|ERROR_IN_CERT_[A-Z_]+|ERR_TLS_CERT_ALTNAME_INVALID)$/

/** undici's words for a CONNECT that the proxy answered with anything but 200. */
const TUNNEL = /^Proxy response \((\d{3})\) !== 200 when HTTP Tunneling$/

interface Link {
  readonly code: string | undefined
  readonly syscall: unknown
  readonly message: unknown
}

/** The error, its causes, and the single attempts of a connection to several addresses. The chain may be a circle. */
const links = (error: unknown): ReadonlyArray<Link> => {
  const seen = new Set<unknown>()
  const queue: Array<unknown> = [error]
  const found: Array<Link> = []
  for (const link of queue) {
    if (typeof link !== "object" || link === null || seen.has(link) || seen.size >= 64) continue
    seen.add(link)
    const { cause, code, errors, message, syscall } = link as Record<string, unknown>
    found.push({ code: ErrorCode.make(code), syscall, message })
    if (Array.isArray(errors)) queue.push(...errors.slice(0, 16))
    queue.push(cause)
  }
  return found
}

const unsent = ({ code, message, syscall }: Link): string | undefined => {
  if (typeof message === "string") {
    const tunnel = TUNNEL.exec(message)
    if (tunnel !== null) return `the proxy refused to connect (HTTP ${tunnel[1]})`
    // The Fetch standard blocks some ports before it opens any connection.
    if (message === "bad port") return "fetch refuses to connect to this port"
  }
  if (code === undefined) return undefined
  if (RESOLUTION.test(code)) return `the name cannot be resolved (${code})`
  if (CERTIFICATE.test(code)) return `the certificate is not trusted (${code})`
  if (code === "UND_ERR_CONNECT_TIMEOUT") return `no connection in time (${code})`
  // Refusal happens at `connect` only; several refused addresses are summed up without the call's name.
  return (CONNECT.has(code) && syscall === "connect") || (code === "ECONNREFUSED" && syscall === undefined)
    ? `no connection (${code})`
    : undefined
}

/**
 * Judges what `fetch` rejected with. Keeps error codes and drops messages, which may quote anything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUnknown = (error: unknown): TransportFailure => {
  const chain = links(error)
  for (const link of chain) {
    const detail = unsent(link)
    if (detail !== undefined) return TransportFailure.NeverSent({ detail })
  }
  const code = chain.find((link) => link.code !== undefined)?.code
  return TransportFailure.MaybeSent({
    detail: `the connection ended without a whole answer${code === undefined ? "" : ` (${code})`}`
  })
}
