/**
 * Device logins as a server sees them: polled, at the pace that it asked for, until the person has decided. What the
 * person has done by the time of each poll is a plan that is known beforehand.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"

/**
 * What a poll finds. `SlowDown` makes the interval five seconds longer (RFC 8628 section 3.5).
 *
 * @since 0.1.0
 * @category models
 */
export type Finding = "Pending" | "SlowDown" | "Agreed" | "Denied" | "Expired"

/**
 * One attempt.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly deviceCode: string
  readonly userCode: string
  readonly clientId: string
  readonly scope: string
}

/**
 * A poll, judged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Polled {
  readonly attempt: Attempt
  readonly finding: Finding
  /** How many there were, this one included. */
  readonly polls: number
  /** Seconds, as from now on. */
  readonly interval: number
  /** What is wrong with the pace, if anything. */
  readonly violation: string | undefined
}

/**
 * All attempts of a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceAttempts {
  /** What the next polls find. The last one stands for all that follow; `Agreed` is good for one grant. */
  plan: ReadonlyArray<Finding>
  readonly interval: number
  /** What persons were shown, the latest last. */
  readonly userCodes: ReadonlyArray<string>
  readonly start: (clientId: string, scope: string) => Attempt
  /** `undefined`: no such attempt, or it was granted before. */
  readonly poll: (deviceCode: string) => Polled | undefined
}

/**
 * Makes a server's memory of device logins. `interval` in seconds, `now` in milliseconds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: { readonly interval: number; readonly now: () => number }): DeviceAttempts => {
  const attempts = new Map<string, { readonly attempt: Attempt; due: number; interval: number; polls: number }>()
  const userCodes: Array<string> = []
  const self: DeviceAttempts = {
    userCodes,
    plan: ["Pending", "Agreed"],
    interval: options.interval,
    start: (clientId, scope) => {
      const attempt: Attempt = {
        deviceCode: randomBytes(24).toString("base64url"),
        userCode: randomBytes(4).toString("hex").toUpperCase().replace(/^(.{4})/, "$1-"),
        clientId,
        scope
      }
      const { interval } = options
      userCodes.push(attempt.userCode)
      attempts.set(attempt.deviceCode, { attempt, due: options.now() + interval * 1_000, interval, polls: 0 })
      return attempt
    },
    poll: (deviceCode) => {
      const found = attempts.get(deviceCode)
      if (found === undefined) return undefined
      const finding = self.plan[Math.min(found.polls++, self.plan.length - 1)] ?? "Pending"
      const early = found.due - options.now()
      if (finding === "SlowDown") found.interval += 5
      if (finding === "Agreed") attempts.delete(deviceCode)
      found.due = options.now() + found.interval * 1_000
      return {
        attempt: found.attempt,
        finding,
        polls: found.polls,
        interval: found.interval,
        violation: early > 0 ? `polled ${early} ms before it was asked to` : undefined
      }
    }
  }
  return self
}
