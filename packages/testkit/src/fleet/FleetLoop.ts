/**
 * What every worker of a fleet does, whatever keeps its logins: it asks for the access token of one tenant after the other,
 * in an order of its own, and says what it got, until its input ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LineProtocol from "../processes/LineProtocol.js"
import { fingerprint } from "../servers/TokenLedger.js"

/**
 * What a worker is started with.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Setup = Schema.Struct({
  tenants: Schema.Array(Schema.String),
  seed: Schema.Number,
  /** Milliseconds between two questions, at most. */
  pause: Schema.Number,
  /** Whether it asks for each tenant until it has its token, and then ends. */
  once: Schema.optionalWith(Schema.Boolean, { exact: true })
})

/**
 * Reads the setup that a worker is given as its first argument.
 *
 * @since 0.1.0
 * @category constructors
 */
export const setup = (): typeof Setup.Type => Schema.decodeSync(Schema.parseJson(Setup))(process.argv[2] ?? "{}")

/**
 * Why there is no token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Complaint {
  readonly what: string
  /** Whether only a person helps. */
  readonly login: boolean
}

/**
 * Answers with an access token of a tenant.
 *
 * @since 0.1.0
 * @category models
 */
export type Ask = (tenant: string) => Effect.Effect<string, Complaint>

/**
 * Says that a refresh token is sent now, before its first byte is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const sending = (refreshToken: string): void =>
  LineProtocol.say("sending", { fingerprint: fingerprint(refreshToken) })

/**
 * Says that the answer of a tenant is where the death of this process cannot reach it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const kept = (tenant: string): void => LineProtocol.say("kept", { tenant })

/**
 * Runs until the input ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (ask: Ask, { once = false, pause, seed, tenants }: typeof Setup.Type): Effect.Effect<void> =>
  Effect.gen(function*() {
    const seen = new Map<string, string>()
    let stopped = false
    let asked = 0

    const question = (tenant: string) =>
      Effect.map(Effect.either(ask(tenant)), (answer) => {
        asked++
        if (Either.isLeft(answer)) {
          LineProtocol.say("failed", { tenant, ...answer.left })
          return false
        }
        const token = fingerprint(answer.right)
        if (seen.get(tenant) !== token) LineProtocol.say("served", { tenant, token })
        seen.set(tenant, token)
        return true
      })

    const rest = Effect.flatMap(Random.nextRange(0, pause), Effect.sleep)
    const any = Effect.flatMap(Random.nextIntBetween(0, tenants.length), (index) => question(tenants[index]!))
    const until = (tenant: string): Effect.Effect<void> =>
      Effect.flatMap(
        question(tenant),
        (served) => served || stopped ? Effect.void : Effect.zipRight(rest, until(tenant))
      )

    const words = yield* Effect.fork(
      Effect.ensuring(Stream.runDrain(LineProtocol.messages), Effect.sync(() => void (stopped = true)))
    )
    yield* Effect.sync(() => LineProtocol.say("ready", { pid: process.pid }))
    yield* once
      ? Effect.forEach(tenants, until, { discard: true })
      : Effect.repeat(Effect.zipRight(any, rest), { until: () => stopped })
    yield* Effect.sync(() => LineProtocol.say("ended", { asked, has: Object.fromEntries(seen) }))
    yield* Fiber.join(words)
  }).pipe(Effect.withRandom(Random.make(seed)))
