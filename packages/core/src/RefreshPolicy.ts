/**
 * The bounds of a refresh, all in one place. See `docs/architecture.md` for how they fit together.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as DurationText from "./DurationText.js"

/**
 * How long each step of a refresh may take.
 *
 * @since 0.1.0
 * @category services
 */
export class RefreshPolicy extends Context.Tag("@lockstep/core/RefreshPolicy")<RefreshPolicy, {
  /** Validity that a served token should have left. 120 s. A vendor's descriptor may name its own. */
  readonly margin: Duration.Duration
  /** How long a caller whose token is still unexpired waits for its refresh. 2 s. */
  readonly staleWait: Duration.Duration
  /** Silence between the end of a lost request and its one retry. 2 s. */
  readonly quietTime: Duration.Duration
  /** How long a caller waits for the provider. The request itself goes on until `redeemLimit`. 8 s. */
  readonly providerTimeout: Duration.Duration
  /** Hard bound of one redemption, its retry and `quietTime` included. 15 s. */
  readonly redeemLimit: Duration.Duration
  /** How long one read-modify-write of the store waits for others. 5 s. */
  readonly aggregateLockTimeout: Duration.Duration
  /** How long persisting an answer is tried again before it is left in its answer file. 2 s. */
  readonly persistRetry: Duration.Duration
  /** Bound of a best-effort revocation. 5 s. */
  readonly revokeTimeout: Duration.Duration
  /**
   * How long the retry of a lost request waits, while the access token is valid, for a holder that was cut off from the
   * store and may still live. Only stores whose locks do not die with their holder know such a holder. 5 min.
   */
  readonly returnWait: Duration.Duration
  /** How long a caller waits for another process's refresh. 30 s; longer than the longest legal hold. */
  readonly lockTimeout: Duration.Duration
  /** Whether a token that could not be stored is served from memory all the same. Off. */
  readonly serveUnpersisted: boolean
}>() {}

/**
 * The bounds that are used where nothing else is said.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaults: RefreshPolicy["Type"] = {
  margin: Duration.seconds(120),
  staleWait: Duration.seconds(2),
  quietTime: Duration.seconds(2),
  providerTimeout: Duration.seconds(8),
  redeemLimit: Duration.seconds(15),
  aggregateLockTimeout: Duration.seconds(5),
  persistRetry: Duration.seconds(2),
  revokeTimeout: Duration.seconds(5),
  returnWait: Duration.minutes(5),
  lockTimeout: Duration.seconds(30),
  serveUnpersisted: false
}

/**
 * What the custody of a store needs beyond the bounds of this policy. All zero, or without a limit, where nothing is
 * said.
 *
 * @since 0.1.0
 * @category models
 */
export interface CustodyLimits {
  /** How long the writes of one hold may take in addition. */
  readonly writes?: Duration.Duration
  /** The longest that a redemption may take. */
  readonly redeem?: Duration.Duration
  /** How long a holder that died keeps the lock. */
  readonly afterDeath?: Duration.Duration
}

/**
 * The longest time that a process may legally hold a tenant.
 *
 * @since 0.1.0
 * @category getters
 */
export const longestHold = (policy: RefreshPolicy["Type"], limits: CustodyLimits = {}): Duration.Duration =>
  policy.redeemLimit.pipe(
    Duration.sum(policy.aggregateLockTimeout),
    Duration.sum(policy.persistRetry),
    Duration.sum(limits.writes ?? Duration.zero)
  )

/**
 * The bounds that are used with a custody where nothing else is said: those of `defaults`, with a shorter `redeemLimit` or
 * a longer `lockTimeout` where the custody needs it.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultsFor = (limits: CustodyLimits): RefreshPolicy["Type"] => {
  const redeemLimit = Duration.min(defaults.redeemLimit, limits.redeem ?? Duration.infinity)
  const policy = { ...defaults, redeemLimit, providerTimeout: Duration.min(defaults.providerTimeout, redeemLimit) }
  const spare = Duration.subtract(defaults.lockTimeout, longestHold(defaults))
  const lockTimeout = longestHold(policy, limits).pipe(
    Duration.sum(limits.afterDeath ?? Duration.zero),
    Duration.sum(spare)
  )
  return { ...policy, lockTimeout: Duration.max(defaults.lockTimeout, lockTimeout) }
}

const invalid = (key: string, message: string) => ConfigError.InvalidData(["LOCKSTEP", key], message)

/** `lockTimeout` is set by `LOCK_TIMEOUT`. */
const variable = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

const MAY_BE_ZERO: ReadonlySet<string> = new Set(["margin", "staleWait", "quietTime", "persistRetry"])

/**
 * Checks that no waiter can give up on a legal holder, and that every bound ends and leaves room for what it bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Partial<RefreshPolicy["Type"]> = {},
  limits: CustodyLimits = {}
): Either.Either<RefreshPolicy["Type"], ConfigError.ConfigError> => {
  const policy = { ...defaultsFor(limits), ...options }
  for (const [name, value] of Object.entries(policy)) {
    if (!Duration.isDuration(value)) continue
    if (!Duration.isFinite(value)) return Either.left(invalid(variable(name), `${name} must end`))
    if (Duration.equals(value, Duration.zero) && !MAY_BE_ZERO.has(name)) {
      return Either.left(invalid(variable(name), `${name} must be longer than nothing`))
    }
  }
  const { afterDeath, redeem = Duration.infinity, writes } = limits
  const hold = Duration.sum(longestHold(policy, limits), afterDeath ?? Duration.zero)
  if (Duration.lessThanOrEqualTo(policy.lockTimeout, hold)) {
    const more = [
      ...(writes === undefined ? [] : [` + ${Duration.format(writes)} that this store's writes may take`]),
      ...(afterDeath === undefined ? [] : [` + ${Duration.format(afterDeath)} that a dead holder keeps it`])
    ]
    return Either.left(invalid(
      "LOCK_TIMEOUT",
      `lockTimeout (${Duration.format(policy.lockTimeout)}) must be longer than the longest legal hold (${
        Duration.format(hold)
      }): redeemLimit + aggregateLockTimeout + persistRetry${more.join("")}`
    ))
  }
  if (Duration.greaterThan(policy.redeemLimit, redeem)) {
    return Either.left(invalid(
      "REDEEM_LIMIT",
      `redeemLimit (${Duration.format(policy.redeemLimit)}) must be at most ${
        Duration.format(redeem)
      }: another program that shares this store waits no longer for its lock`
    ))
  }
  if (Duration.greaterThan(Duration.times(policy.quietTime, 2), policy.redeemLimit)) {
    return Either.left(
      invalid("QUIET_TIME", "quietTime must be at most half of redeemLimit: the retry after it needs the rest")
    )
  }
  return Either.right(policy)
}

/**
 * The defaults with some bounds replaced. Refuses to build where a waiter could give up on a legal holder.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Partial<RefreshPolicy["Type"]> = {}
): Layer.Layer<RefreshPolicy, ConfigError.ConfigError> =>
  Layer.effect(RefreshPolicy, Effect.suspend(() => make(options)))

/**
 * The defaults.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDefaults: Layer.Layer<RefreshPolicy> = Layer.succeed(RefreshPolicy, defaults)

/**
 * Parses a duration as people write it: `5 minutes`, `300`, `300s`, `5m`, `2h`. A bare number is seconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const millis = DurationText.millis(text)
  return millis === undefined ? Duration.decodeUnknown(text.trim()) : Option.some(Duration.millis(millis))
}

const bound = (key: string, fallback: Duration.Duration, description: string) =>
  Config.string(key).pipe(
    Config.mapOrFail((text) =>
      Either.fromOption(parseDuration(text), () =>
        ConfigError.InvalidData([key], "a duration such as 300, 300s, 5m, 2h or \"5 minutes\" is expected"))
    ),
    Config.withDefault(fallback),
    Config.withDescription(description)
  )

const configWith = (defaults: RefreshPolicy["Type"]): Config.Config<RefreshPolicy["Type"]> =>
  Config.nested(
    Config.all({
      margin: bound("MARGIN", defaults.margin, "validity that a served token should have left"),
      staleWait: bound("STALE_WAIT", defaults.staleWait, "how long a caller with an unexpired token waits"),
      quietTime: bound("QUIET_TIME", defaults.quietTime, "silence before the one retry of a lost request"),
      providerTimeout: bound("PROVIDER_TIMEOUT", defaults.providerTimeout, "how long a caller waits for the provider"),
      redeemLimit: bound("REDEEM_LIMIT", defaults.redeemLimit, "hard bound of one redemption"),
      aggregateLockTimeout: bound(
        "AGGREGATE_LOCK_TIMEOUT",
        defaults.aggregateLockTimeout,
        "how long one write of the store waits for others"
      ),
      persistRetry: bound("PERSIST_RETRY", defaults.persistRetry, "how long persisting an answer is tried again"),
      revokeTimeout: bound("REVOKE_TIMEOUT", defaults.revokeTimeout, "bound of a best-effort revocation"),
      returnWait: bound("RETURN_WAIT", defaults.returnWait, "how long a retry waits for a holder that was cut off"),
      lockTimeout: bound("LOCK_TIMEOUT", defaults.lockTimeout, "how long a caller waits for another process's refresh"),
      serveUnpersisted: Config.withDefault(Config.boolean("SERVE_UNPERSISTED"), defaults.serveUnpersisted)
    }),
    "LOCKSTEP"
  )

/**
 * Reads every bound from `LOCKSTEP_MARGIN`, `LOCKSTEP_PROVIDER_TIMEOUT` and so on.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<RefreshPolicy["Type"]> = configWith(defaults)

/**
 * Reads the bounds that the environment names, takes for the rest those that suit a custody, and checks them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFromEnv = (
  limits: CustodyLimits = {}
): Effect.Effect<RefreshPolicy["Type"], ConfigError.ConfigError> =>
  Effect.flatMap(configWith(defaultsFor(limits)), (policy) => make(policy, limits))

/**
 * The bounds that the environment names and, for the rest, those that suit a custody, checked.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFromEnvFor = (limits: CustodyLimits): Layer.Layer<RefreshPolicy, ConfigError.ConfigError> =>
  Layer.effect(RefreshPolicy, makeFromEnv(limits))

/**
 * The bounds that the environment names, checked.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFromEnv: Layer.Layer<RefreshPolicy, ConfigError.ConfigError> = layerFromEnvFor({})
