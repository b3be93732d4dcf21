/**
 * What a resource server says in `WWW-Authenticate` (RFC 9110, 11.6.1; RFC 6750, 3; RFC 9728, 5.1).
 *
 * @since 0.1.0
 */

/**
 * One challenge. Names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y
/** An address in `resource_metadata` is no token, and some servers quote it all the same little. */
const UNQUOTED = /[^\s,"]+/y
const SPACE = /[ \t]*/y
const EQUALS = /[ \t]*=[ \t]*/y
const SEPARATORS = /[ \t,]*/y
/** Up to the next comma that is outside of quotes: where a challenge is damaged, the next one is not. */
const REST = /(?:"(?:[^"\\]|\\[\s\S])*"|[^,])*/y

/**
 * Reads every challenge of a header, in order. Several headers are one, joined with commas; what is damaged is skipped.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (header: string): ReadonlyArray<Challenge> => {
  const challenges: Array<{ readonly scheme: string; readonly parameters: Map<string, string> }> = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  for (take(SEPARATORS); at < header.length; take(SEPARATORS)) {
    const start = at
    const name = take(TOKEN)?.[0]
    const current = challenges.at(-1)
    if (name !== undefined && current !== undefined && take(EQUALS) !== null) {
      const value = take(QUOTED)?.[1]?.replaceAll(/\\([\s\S])/g, "$1") ?? take(UNQUOTED)?.[0]
      // A parameter that is said twice means what it meant first.
      if (value !== undefined && !current.parameters.has(name.toLowerCase())) {
        current.parameters.set(name.toLowerCase(), value)
      }
      if (value === undefined) take(REST)
    } else if (name === undefined) {
      take(REST)
      if (at === start) at++
    } else {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() })
      take(SPACE)
      take(TOKEN68)
    }
  }
  return challenges
}

/**
 * What the bearer challenges of an answer say. A scope or a metadata address counts wherever it stands.
 *
 * @since 0.1.0
 * @category models
 */
export interface BearerChallenge {
  readonly errors: ReadonlyArray<string>
  readonly scope: string | undefined
  readonly resourceMetadata: string | undefined
}

/**
 * Reads what is said about bearer tokens. An absent header says nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHeader = (header: string | null | undefined): BearerChallenge => {
  const bearer = parse(header ?? "").filter(({ scheme }) => scheme === "bearer")
  const all = (name: string): ReadonlyArray<string> =>
    bearer.flatMap(({ parameters }) => {
      const value = parameters.get(name)
      return value === undefined ? [] : [value]
    })
  return { errors: all("error"), scope: all("scope")[0], resourceMetadata: all("resource_metadata")[0] }
}
