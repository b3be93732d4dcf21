/**
 * What an MCP server is called in `resource` (RFC 8707): its address, in the one spelling that the specification of MCP
 * asks for.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Either from "effect/Either"

/**
 * Whether an address is on this machine, where plain HTTP reveals nothing to a network.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (url: URL): boolean => LoopbackAddress.isLoopback(url.hostname)

/**
 * Parses the address of a server: https, or http on this machine, and without a password in it. A fragment is dropped.
 * Left is what is wrong, in words that do not quote the address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<URL, string> => {
  if (!URL.canParse(text)) return Either.left("the address is not a URL")
  const url = new URL(text)
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    return Either.left("the address must be https, or http on this machine")
  }
  if (url.username !== "" || url.password !== "") return Either.left("the address must hold no password")
  url.hash = ""
  return Either.right(url)
}

/**
 * Spells an address in the canonical way: scheme and host in lower case, without a default port, a fragment, or a slash
 * at the end of its path.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (url: URL): string => {
  const path = url.search === "" ? url.pathname.replace(/\/+$/, "") : url.pathname
  return `${url.origin}${path}${url.search}`
}

const withSlash = (path: string): string => path.endsWith("/") ? path : `${path}/`

/**
 * Whether an address is spelled as it is read. What a parser passes over or turns into something else (a line break, a
 * backslash, a segment of dots) makes of one identifier two, and of a line that shows it two lines. RFC 9728 §3.3 compares
 * code point by code point; of the origin, case and a default port are let pass, as MCP wants of the case.
 */
const isVerbatim = (text: string, url: URL): boolean => {
  const [, origin = "", rest = ""] = /^([a-z]+:\/\/[^/?#]*)(.*)$/is.exec(text) ?? []
  const known = origin.toLowerCase().replace(/^(https:.*):443$|^(http:.*):80$/, "$1$2")
  return `${known}${rest}` === url.href || `${known}/${rest}` === url.href
}

/**
 * Whether a resource identifier is that of a server, or of something that the server is part of: the same origin, and the
 * same path or one above it. `/api` is not above `/api2`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const covers = (resource: string, server: URL): boolean => {
  if (!URL.canParse(resource) || resource.includes("#")) return false
  const url = new URL(resource)
  return isVerbatim(resource, url) && url.username === "" && url.password === "" && url.origin !== "null" &&
    url.origin === server.origin &&
    (url.search === "" || url.search === server.search) &&
    withSlash(server.pathname).startsWith(withSlash(url.pathname))
}
