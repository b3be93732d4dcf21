/**
 * Searches everything that a process shows to others for secrets.
 *
 * @since 0.1.0
 */
import type { Secret, SecretKind } from "./servers/TokenLedger.js"

/**
 * Something that others can see: an output, an argument list, a file name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evidence {
  /** What it is, for the report: `stderr of 4711`. */
  readonly where: string
  readonly text: string
  /** The kinds of secret that this is meant to carry. */
  readonly permitted: ReadonlyArray<SecretKind>
}

/**
 * A secret found where it does not belong. Never holds the secret itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leak {
  readonly where: string
  readonly kind: SecretKind
  readonly offset: number
}

/** A shortened token in a message is a leak as well; this much of one is enough to tell it. */
const WINDOW = 16

// The header of a JWT says nothing but its algorithm, and is the same for all of them.
const secretPart = ({ value }: Secret): string =>
  value.split(".").length === 3 ? value.slice(value.indexOf(".") + 1) : value

/**
 * Finds every secret, whole or at least 16 characters of it, in the evidence.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (secrets: ReadonlyArray<Secret>, evidence: ReadonlyArray<Evidence>): ReadonlyArray<Leak> => {
  const windows = new Map<string, SecretKind>()
  const short: Array<Secret> = []
  for (const secret of secrets) {
    const text = secretPart(secret)
    if (text.length < WINDOW) short.push(secret)
    for (let at = 0; at + WINDOW <= text.length; at++) windows.set(text.slice(at, at + WINDOW), secret.kind)
  }
  return evidence.flatMap(({ permitted, text, where }) => {
    const leaks = new Map<SecretKind, Leak>()
    const found = (kind: SecretKind, offset: number) => {
      if (!permitted.includes(kind) && !leaks.has(kind)) leaks.set(kind, { where, kind, offset })
    }
    for (let at = 0; at + WINDOW <= text.length; at++) {
      const kind = windows.get(text.slice(at, at + WINDOW))
      if (kind !== undefined) found(kind, at)
    }
    for (const { kind, value } of short) {
      const at = value === "" ? -1 : text.indexOf(value)
      if (at >= 0) found(kind, at)
    }
    return [...leaks.values()]
  })
}
