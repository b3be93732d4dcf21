/**
 * The page where a person agrees: checks what the client asked for, and sends the browser back with a code.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { AuthorizationCodes } from "./AuthorizationCodes.js"
import { type Route, text } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

/**
 * The person at the browser.
 *
 * @since 0.1.0
 * @category models
 */
export interface Person {
  agrees: boolean
}

/**
 * Makes the page. `adds` goes into the answer beside code and state.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly rules: WireRules.Rules
  readonly codes: AuthorizationCodes
  readonly person: Person
  readonly adds?: Readonly<Record<string, string>>
}): Route =>
(request) =>
  Effect.gen(function*() {
    const malformed = text(400, "Invalid request format")
    const members = yield* WireRules.query(request, malformed)
    yield* WireRules.check(options.rules, members, malformed)
    const member = (name: string) => WireRules.textOf(members, name)
    const answer: Record<string, string> = options.person.agrees
      ? {
        code: options.codes.issue({
          clientId: member("client_id"),
          redirectUri: member("redirect_uri"),
          codeChallenge: member("code_challenge"),
          scope: member("scope"),
          state: member("state"),
          nonce: member("nonce"),
          resource: member("resource")
        })
      }
      : { error: "access_denied", error_description: "The user denied the request" }
    const location = new URL(member("redirect_uri"))
    for (const [name, value] of Object.entries({ ...answer, state: member("state"), ...options.adds })) {
      location.searchParams.set(name, value)
    }
    return text(302, "", { location: location.href })
  })
