/**
 * What a resource server says when it wants another token: the challenges of `WWW-Authenticate` (RFC 9110 section 11.6.1)
 * with the parameters of RFC 6750 and RFC 9728.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * One challenge. Parameters by their names in lower case; a parameter that is there twice keeps its first value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * A challenge of the scheme `Bearer`.
 *
 * @since 0.1.0
 * @category models
 */
export interface BearerChallenge {
  readonly resourceMetadata: Option.Option<string>
  /** Empty where none is named. */
  readonly scope: ReadonlyArray<string>
  /** `invalid_token`, `insufficient_scope`, … */
  readonly error: Option.Option<string>
  readonly errorDescription: Option.Option<string>
}

/** A header that is longer is no challenge but an attack. */
const LIMIT = 16_384

const TOKEN = /[\w!#$%&'*+.^`|~-]+/y
const SPACE = /[ \t]*/y
const SEPARATOR = /[ \t,]*/y
const EQUALS = /[ \t]*=[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy
/** What Basic and Negotiate carry in place of parameters. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y

/** Reads on from a position, by patterns that match there or not at all. */
const reader = (text: string) => {
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at += found[0].length
    return found
  }
  return {
    take,
    isDone: () => at >= text.length,
    /** Goes back where a guess was wrong. */
    attempt: <A>(read: () => A | undefined): A | undefined => {
      const start = at
      const found = read()
      if (found === undefined) at = start
      return found
    },
    skip: () => {
      at++
    }
  }
}

type Reader = ReturnType<typeof reader>

const parameter = ({ attempt, take }: Reader): readonly [string, string] | undefined =>
  attempt(() => {
    const name = take(TOKEN)?.[0]
    if (name === undefined || take(EQUALS) === null) return undefined
    const quoted = take(QUOTED)
    const value = quoted === null ? take(TOKEN)?.[0] : quoted[1]!.replace(/\\(.)/gs, "$1")
    return value === undefined ? undefined : [name.toLowerCase(), value]
  })

/**
 * Reads all challenges of a header, in order. What cannot be read is passed over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (header: string): ReadonlyArray<Challenge> => {
  if (header.length > LIMIT) return []
  const challenges: Array<{ readonly scheme: string; readonly parameters: Map<string, string> }> = []
  const text = reader(header)
  while (!text.isDone()) {
    text.take(SEPARATOR)
    const current = challenges.at(-1)
    const found = current === undefined ? undefined : parameter(text)
    if (found !== undefined) {
      const [name, value] = found
      if (current !== undefined && !current.parameters.has(name)) current.parameters.set(name, value)
      continue
    }
    const scheme = text.take(TOKEN)?.[0].toLowerCase()
    if (scheme === undefined) {
      text.skip()
      continue
    }
    challenges.push({ scheme, parameters: new Map() })
    text.take(SPACE)
    text.attempt(() => text.take(TOKEN68)?.[0])
  }
  return challenges
}

const words = (text: string | undefined): ReadonlyArray<string> => (text ?? "").split(/\s+/).filter((one) => one !== "")

/**
 * Reads what the `Bearer` challenges of a header say. Where there are several, the first that names a parameter says it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bearer = (header: string): Option.Option<BearerChallenge> => {
  const challenges = parse(header).filter(({ scheme }) => scheme === "bearer")
  if (challenges.length === 0) return Option.none()
  const first = (name: string) =>
    Option.fromNullable(
      challenges.map(({ parameters }) => parameters.get(name)).find((value) => value !== undefined && value !== "")
    )
  return Option.some({
    resourceMetadata: first("resource_metadata"),
    scope: words(Option.getOrUndefined(first("scope"))),
    error: first("error"),
    errorDescription: first("error_description")
  })
}
