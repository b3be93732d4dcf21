/**
 * What all vendors' emulators have in common.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AnswerScript from "./AnswerScript.js"
import type { Person } from "./AuthorizePage.js"
import * as DeviceAttempts from "./DeviceAttempts.js"
import * as VendorServer from "./VendorServer.js"

/**
 * What a test chooses. Left out, the vendor's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The one client that is let in. */
  readonly clientId?: string
  readonly clientSecret?: string
  /** How a client with a secret has to prove itself, where the vendor leaves that to the server. */
  readonly clientAuth?: "client_secret_basic" | "client_secret_post"
}

/**
 * A vendor, as far as a login goes.
 *
 * @since 0.1.0
 * @category models
 */
export interface VendorEmulator extends VendorServer.VendorServer {
  readonly person: Person
  readonly script: AnswerScript.AnswerScript
  readonly devices: DeviceAttempts.DeviceAttempts
  /** Whether a refresh token can be redeemed, or an access token be used. */
  readonly isLive: (token: string) => boolean
}

/**
 * What a vendor's routes are made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts {
  readonly person: Person
  readonly script: AnswerScript.AnswerScript
  readonly devices: DeviceAttempts.DeviceAttempts
  /** Seconds since the epoch, by the clock that the emulator was made under. */
  readonly now: () => number
}

/**
 * Starts a vendor. It lives by the clock that it was made under, and ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  /** Seconds between two polls of a device login. Longer than what a client assumes by itself. */
  readonly interval: number
  readonly vendor: (parts: Parts) => {
    readonly routes: VendorServer.Routes
    readonly isLive: (token: string) => boolean
  }
}): Effect.Effect<VendorEmulator, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const millis = () => clock.unsafeCurrentTimeMillis()
    const parts: Parts = {
      person: { agrees: true },
      script: AnswerScript.make(),
      devices: DeviceAttempts.make({ interval: options.interval, now: millis }),
      now: () => Math.floor(millis() / 1_000)
    }
    const { isLive, routes } = options.vendor(parts)
    const server = yield* VendorServer.make(routes)
    return { ...server, person: parts.person, script: parts.script, devices: parts.devices, isLive }
  })

/**
 * Answers a grant that nothing is presented for but what was checked: the treatment's own reply, or the members without
 * those that it leaves out.
 *
 * @since 0.1.0
 * @category combinators
 */
export const grant = (
  treatment: AnswerScript.Treatment,
  members: () => Readonly<Record<string, unknown>>
): VendorServer.Reply =>
  treatment._tag === "Instead"
    ? treatment.reply
    : VendorServer.json(200, AnswerScript.without(members(), treatment.members))

/**
 * Answers a refresh token. Where the answer leaves a refresh token out, the one that was presented stays good.
 *
 * @since 0.1.0
 * @category combinators
 */
export const refresh = (options: {
  readonly treatment: AnswerScript.Treatment
  readonly families: TokenFamilies.TokenFamilies
  readonly refreshToken: string
  /** What the vendor calls the member. */
  readonly member?: string
  readonly members: (tokens: TokenFamilies.IssuedTokens) => Readonly<Record<string, unknown>>
  readonly invalid: VendorServer.Reply
  readonly reused?: VendorServer.Reply
}): Effect.Effect<VendorServer.Reply, VendorServer.Refused> =>
  Effect.suspend(() => {
    const { families, invalid, refreshToken, treatment } = options
    if (treatment._tag === "Instead") return Effect.succeed(treatment.reply)
    const presented = treatment.members.includes(options.member ?? "refresh_token")
      ? families.extend(refreshToken)
      : families.present(refreshToken)
    if (presented._tag === "Redeemed") {
      return Effect.succeed(grant(treatment, () => options.members(presented.tokens)))
    }
    return VendorServer.refuse(presented._tag === "Reused" ? options.reused ?? invalid : invalid)
  })
