/**
 * The poll of RFC 8628 section 3.4: an error until the person has agreed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Attempt, DeviceAttempts } from "./DeviceAttempts.js"
import { refuse, type Refused, type Reply, violate } from "./VendorServer.js"

/**
 * RFC 8628 section 3.4.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

const CODES = {
  Pending: "authorization_pending",
  SlowDown: "slow_down",
  Denied: "access_denied",
  Expired: "expired_token"
} as const

/**
 * Finds the attempt that the person has agreed to; refuses every other one in the vendor's words. `interval` is in
 * seconds, as from now on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const agreed = (
  devices: DeviceAttempts,
  deviceCode: string,
  error: (code: string, interval: number) => Reply
): Effect.Effect<Attempt, Refused> =>
  Effect.suspend(() => {
    const polled = devices.poll(deviceCode)
    if (polled === undefined) return refuse(error("expired_token", devices.interval))
    if (polled.violation !== undefined) return violate(polled.violation, error("slow_down", polled.interval))
    return polled.finding === "Agreed"
      ? Effect.succeed(polled.attempt)
      : refuse(error(CODES[polled.finding], polled.interval))
  })
