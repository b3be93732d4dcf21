/**
 * A way in which processes that share a login keep it fresh.
 *
 * @since 0.1.0
 */
import type * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * The login of one tenant.
 *
 * @since 0.1.0
 * @category models
 */
export type Login = SeededHome.Login

/**
 * A process that has the login open, as an agent that runs for hours has.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  /** Answers with a usable access token, refreshed if need be. */
  readonly obtain: Effect.Effect<string, unknown>
}

/**
 * A way in which processes that share a login keep it fresh.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contender {
  readonly name: string
  /** For people: what it is, its version, and what it waits by. */
  readonly label: string
  /** The name of the file below the home that holds the login. A process that writes it has the new token for all. */
  readonly file: string
  /** Leaves a home as a login of long ago does. */
  readonly seed: (home: string, login: Login) => Effect.Effect<unknown>
  readonly open: (home: string) => Effect.Effect<Session, unknown, Scope.Scope>
}

/**
 * A contender answered without a token.
 *
 * @since 0.1.0
 * @category errors
 */
export class NoToken extends Data.TaggedError("NoToken")<{ readonly message: string }> {}

/**
 * The tenant, where a contender names one.
 *
 * @since 0.1.0
 * @category constants
 */
export const TENANT = "race"
