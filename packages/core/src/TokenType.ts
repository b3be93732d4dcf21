/**
 * What the type of an access token means (RFC 6749 section 7.1). Of plain text, for those who write headers before anything
 * else is loaded.
 *
 * @since 0.1.0
 */

/** Types that are worth nothing without a proof that a bearer header does not carry. */
const PROVEN = new Set(["dpop", "pop", "mac"])

/**
 * As the server wrote it; `Bearer` where it wrote that in any case (RFC 6749 section 5.1), or nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (written: string | null | undefined): string =>
  written === null || written === undefined || /^bearer$/i.test(written.trim()) ? "Bearer" : written

/**
 * Whether a token is worth nothing in a bearer header, because its type wants a proof of possession beside it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProven = (type: string): boolean => PROVEN.has(type.toLowerCase())

/**
 * The value of `Authorization`. Every type that wants no proof is a bearer token, also one that a server calls `user` or
 * `access_token`.
 *
 * @since 0.1.0
 * @category rendering
 */
export const authorization = (type: string, token: string): string => `${isProven(type) ? type : "Bearer"} ${token}`
