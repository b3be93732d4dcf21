/**
 * What a fleet keeps its logins in, seen from the one that puts the fleet to the test: where the hosts reach it, what their
 * workers are started as, and how a login is put in and looked at beside them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Login } from "../processes/SeededHome.js"
import type { Secret } from "../servers/TokenLedger.js"

/**
 * A store that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backend {
  /** The port of loopback on which it is; the hosts get it through networks of their own. */
  readonly port: number
  /** The program of a worker. */
  readonly entry: URL
  /** What a worker is told in addition to the clean environment; `port` is that of its host's network. */
  readonly env: (home: string, port: number) => Readonly<Record<string, string>>
  /** Milliseconds for which others wait for a process that has sent a refresh token and is not heard of. */
  readonly wait: number
  /** What no worker may show, beside tokens. */
  readonly secrets: ReadonlyArray<Secret>
  /** Stores a login of a tenant, as a person does that logs in. */
  readonly login: (login: Login) => Effect.Effect<void>
  readonly stored: (tenant: string) => Effect.Effect<Pick<Login, "access_token" | "refresh_token">>
  /** Ends the sessions that a process has there. */
  readonly drop: (pid: number) => Effect.Effect<void>
}

/**
 * A kind of fleet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Contender {
  readonly name: string
  readonly label: string
  readonly start: Effect.Effect<Backend, never, Scope.Scope>
}
