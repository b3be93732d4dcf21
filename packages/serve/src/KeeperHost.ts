/**
 * What a keeper needs of the program that runs it: the home whose logins it hands out, the words of its errors, and the
 * logins that clients begin.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as KeeperWire from "./KeeperWire.js"

/**
 * How a login stands, as `lockstep status --json` says it. Holds no token and no way to one.
 *
 * @since 0.1.0
 * @category models
 */
export interface TenantView {
  readonly tenant: string
  readonly state: string
  /** Why the next refresh needs a person. */
  readonly reason?: string
  /** Seconds since the epoch. */
  readonly expires_at?: number
  readonly account?: { readonly id?: string; readonly label?: string }
  readonly generation?: number
}

/**
 * Which login a client begins.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginWish {
  /** A vendor, the address of an MCP server, or a login to repeat. */
  readonly target: string
  readonly tenant: string | undefined
  readonly profile: string | undefined
  readonly device: boolean
  /** Keeps apart the attempts of different callers at one tenant. */
  readonly user: string
  /** Whether the caller may use a tenant of that name; asked before anything is begun. */
  readonly permits: (tenant: string) => boolean
}

/**
 * What a person is asked to do. Times are seconds, since the epoch where they are moments.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginInvitation {
  readonly tenant: string
  readonly kind: "browser" | "device"
  readonly url: string
  readonly user_code?: string
  readonly expires_at: number
  readonly interval?: number
}

/**
 * A login that is stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginDone {
  readonly tenant: string
  readonly account?: { readonly id?: string; readonly label?: string }
  readonly expires_at?: number
  readonly generation: number
}

/**
 * The program around a keeper.
 *
 * @since 0.1.0
 * @category services
 */
export class KeeperHost extends Context.Tag("@lockstep/serve/KeeperHost")<KeeperHost, {
  /** The home, links resolved. */
  readonly home: string
  /** What messages call its store, and what kind it is. */
  readonly store: { readonly location: string; readonly kind: string }
  /** Puts whatever an effect failed with into the words of the program. Never a secret. */
  readonly word: (error: unknown) => Effect.Effect<KeeperWire.Problem>
  /** How every login stands. Asks no server and takes no lock. */
  readonly survey: Effect.Effect<ReadonlyArray<TenantView>, unknown>
  readonly beginLogin: (wish: LoginWish) => Effect.Effect<LoginInvitation, unknown>
  readonly completeLogin: (
    tenant: TenantId,
    user: string,
    answer: Redacted.Redacted
  ) => Effect.Effect<LoginDone, unknown>
  /** Asks once whether the person has agreed on the other device. */
  readonly pollLogin: (tenant: TenantId, user: string) => Effect.Effect<LoginDone, unknown>
}>() {}
