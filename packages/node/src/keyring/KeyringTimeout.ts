/**
 * How long a keyring may take, which belongs to the stores that ask one.
 *
 * @since 0.1.0
 */
import { type CustodyLimits, parseDuration } from "@lockstep/core/RefreshPolicy"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"

/**
 * The bound of one step that asks a keyring, where nothing else is said.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultTimeout: Duration.Duration = Duration.seconds(5)

const invalid = (message: string) => ConfigError.InvalidData(["LOCKSTEP", "KEYRING_TIMEOUT"], message)

/**
 * Reads the bound from `LOCKSTEP_KEYRING_TIMEOUT`.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Duration.Duration> = Config.option(Config.string("LOCKSTEP_KEYRING_TIMEOUT")).pipe(
  Config.mapOrFail((text) => {
    if (text._tag === "None") return Either.right(defaultTimeout)
    const parsed = parseDuration(text.value)
    if (parsed._tag === "None") {
      return Either.left(invalid("a duration such as 300, 300s, 5m, 2h or \"5 minutes\" is expected"))
    }
    if (!Duration.isFinite(parsed.value)) return Either.left(invalid("keyringTimeout must end"))
    return Duration.equals(parsed.value, Duration.zero)
      ? Either.left(invalid("keyringTimeout must be longer than nothing"))
      : Either.right(parsed.value)
  }),
  Config.withDescription("how long one step that asks the keyring may take")
)

/** A hold of a tenant rehearses its entry, writes it, and removes the one before. */
const STEPS = 3

/**
 * What a store that asks a keyring adds to the bounds of a refresh.
 *
 * @since 0.1.0
 * @category getters
 */
export const limits = (timeout: Duration.Duration): CustodyLimits => ({ writes: Duration.times(timeout, STEPS) })
