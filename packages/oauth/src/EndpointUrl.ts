/**
 * The one judge of addresses that requests of OAuth go to, from whatever source.
 *
 * A person may name what is on this machine. A server elsewhere may not: a request that it has sent here is sent by a
 * process that this machine's other services trust, before a person has confirmed anything.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

/**
 * Whether plain HTTP is allowed to an address: it is on this machine for certain.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (url: URL): boolean => LoopbackAddress.isLoopback(url.hostname)

const isHere = (text: string): boolean => URL.canParse(text) && LoopbackAddress.isThisMachine(new URL(text).hostname)

/**
 * Parses the address of an authorization server: https, or http on this machine, not link-local, and without a password in
 * it. Left is what is wrong, in words that do not quote the address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string, what: string): Either.Either<URL, string> => {
  if (!URL.canParse(text)) return Either.left(`${what} is not a URL`)
  const url = new URL(text)
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    return Either.left(`${what} must be https`)
  }
  if (LoopbackAddress.isLinkLocal(url.hostname)) return Either.left(`${what} must not be a link-local address`)
  return url.username === "" && url.password === "" ? Either.right(url) : Either.left(`${what} must hold no password`)
}

/**
 * Parses an address that a server named: one on this machine only where the server, by its issuer, is on it, too. Where no
 * issuer is known a person named the address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const published = (text: string, what: string, issuer: Option.Option<string>): Either.Either<URL, string> =>
  Either.filterOrLeft(
    parse(text, what),
    (url) => !isHere(url.href) || Option.match(issuer, { onNone: () => true, onSome: isHere }),
    () => `${what} is on this machine, where its issuer is not`
  )
