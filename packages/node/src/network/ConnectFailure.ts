/**
 * Why no connection was established, in words. The caller knows that none was; an error's code only helps to
 * name it.
 *
 * @since 0.1.0
 */
import * as ErrorCode from "@lockstep/core/ErrorCode"
import * as Data from "effect/Data"

/**
 * Nothing was sent. `detail` says what happened and `remedy` what to do, where that is known; both are fit for a message.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectFailure extends Data.TaggedError("ConnectFailure")<{
  readonly detail: string
  readonly remedy?: string | undefined
}> {}

/** Keeps the code and drops the message, which may quote anything. Several addresses fail in one error. */
const codeOf = (error: unknown): string | undefined => {
  const code = ErrorCode.of(error)
  if (code !== undefined || typeof error !== "object" || error === null) return code
  const { errors } = error as { readonly errors?: unknown }
  return Array.isArray(errors) ? codeOf(errors[0]) : undefined
}

/**
 * To whom a connection is opened: the server, or the proxy before it.
 *
 * @since 0.1.0
 * @category models
 */
export type Peer = "server" | "proxy"

/**
 * No TCP connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unreachable = (peer: Peer, error: unknown): ConnectFailure => {
  const code = codeOf(error)
  const isName = code === "ENOTFOUND" || code?.startsWith("EAI_") === true
  return new ConnectFailure({
    detail: isName
      ? `the ${peer === "proxy" ? "proxy's " : ""}name cannot be resolved${ErrorCode.inBrackets(code)}`
      : `no connection${peer === "proxy" ? " to the proxy" : ""}${ErrorCode.inBrackets(code)}`
  })
}

const CLOCK = "check this machine's clock; if it is right, the operator of the server has to renew the certificate"
const AUTHORITY = "if your network has a certificate authority of its own, name its file in NODE_EXTRA_CA_CERTS " +
  "or SSL_CERT_FILE"

const REMEDIES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: CLOCK,
  CERT_NOT_YET_VALID: CLOCK,
  ERR_TLS_CERT_ALTNAME_INVALID: "check the address of the server: the certificate is another host's"
}

/**
 * No TLS. `isUntrusted`: the handshake went well, and the certificate was refused on this side.
 *
 * @since 0.1.0
 * @category constructors
 */
export const insecure = (peer: Peer, isUntrusted: boolean, error: unknown): ConnectFailure => {
  const code = codeOf(error)
  const whose = peer === "proxy" ? "proxy's " : ""
  return isUntrusted
    ? new ConnectFailure({
      detail: `the ${whose}certificate is not trusted${ErrorCode.inBrackets(code)}`,
      remedy: REMEDIES[code ?? ""] ?? AUTHORITY
    })
    : new ConnectFailure({ detail: `the ${whose}TLS handshake failed${ErrorCode.inBrackets(code)}` })
}

/**
 * No tunnel: the proxy answered with another status than a 2xx, or did not answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refused = (answer: { readonly status: number } | { readonly error: unknown }): ConnectFailure =>
  "status" in answer
    ? new ConnectFailure({
      detail: `the proxy refused to connect (HTTP ${answer.status})`,
      ...answer.status === 407 ? { remedy: "put user and password of the proxy into its address in HTTPS_PROXY" } : {}
    })
    : new ConnectFailure({ detail: `the proxy opened no tunnel${ErrorCode.inBrackets(codeOf(answer.error))}` })

/**
 * What took too long.
 *
 * @since 0.1.0
 * @category constructors
 */
export const late = (what: string): ConnectFailure => new ConnectFailure({ detail: `${what} in time` })
