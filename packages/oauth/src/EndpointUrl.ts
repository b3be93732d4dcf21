/**
 * @since 0.1.0
 */
import * as Either from "effect/Either"

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * Whether a host name means this machine, where plain HTTP reveals nothing to a network.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (url: URL): boolean => LOOPBACK.test(url.hostname)

/**
 * Parses the address of an authorization server: https, or http on this machine, and without a password in it. Left is
 * what is wrong, in words that do not quote the address.
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
  return url.username === "" && url.password === "" ? Either.right(url) : Either.left(`${what} must hold no password`)
}
