/**
 * What an emulator does with its next requests in place of the usual. Nothing of it counts before the request was found
 * to be well formed.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Reply } from "./VendorServer.js"

/**
 * How one request is treated.
 *
 * @since 0.1.0
 * @category models
 */
export type Treatment = Data.TaggedEnum<{
  /** Answers with this; what was sent stays good. */
  Instead: { readonly reply: Reply }
  /** Grants, and leaves these members out. A refresh token that is left out was not rotated. */
  Without: { readonly members: ReadonlyArray<string> }
}>

/**
 * Constructors of {@link Treatment}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Treatment = Data.taggedEnum<Treatment>()

/**
 * What is still to come, by endpoint.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnswerScript {
  /** Treats the next requests to an endpoint, in this order. */
  readonly next: (endpoint: string, ...treatments: ReadonlyArray<Treatment>) => void
  /** Takes the treatment of the present request. */
  readonly take: (endpoint: string) => Treatment
}

/**
 * Grants without leaving anything out.
 *
 * @since 0.1.0
 * @category treatments
 */
export const usual: Treatment = Treatment.Without({ members: [] })

/**
 * Makes an empty script.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): AnswerScript => {
  const coming = new Map<string, Array<Treatment>>()
  const of = (endpoint: string): Array<Treatment> => {
    const found = coming.get(endpoint) ?? []
    coming.set(endpoint, found)
    return found
  }
  return {
    next: (endpoint, ...treatments) => void of(endpoint).push(...treatments),
    take: (endpoint) => of(endpoint).shift() ?? usual
  }
}

/**
 * Leaves members out.
 *
 * @since 0.1.0
 * @category combinators
 */
export const without = (
  answer: Readonly<Record<string, unknown>>,
  members: ReadonlyArray<string>
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(answer).filter(([name]) => !members.includes(name)))
