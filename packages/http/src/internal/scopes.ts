/** Scopes as sets (RFC 6749, 3.3). */

/** What a scope token may be made of; nothing else of a server's answer is taken over. */
const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/

export const parse = (scope: string | undefined): ReadonlyArray<string> =>
  (scope ?? "").split(" ").filter((token) => SCOPE_TOKEN.test(token))

/** Everything that any of them names, once, in the order in which it is named first. */
export const union = (...scopes: ReadonlyArray<string | undefined>): ReadonlyArray<string> => [
  ...new Set(scopes.flatMap(parse))
]
