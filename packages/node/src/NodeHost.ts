/**
 * @since 0.1.0
 */
import * as Host from "@lockstep/core/Host"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Os from "node:os"
import { codeOf } from "./internal/errno.js"
import { hostId } from "./internal/hostId.js"
import * as ProcFs from "./internal/procfs.js"

// Without /proc a process knows only its own start, and a boot only by the clock. The latter moves with every
// adjustment of the clock, so it is told by the hour: an id that changes too often would declare the living dead.
const HOUR = 3_600_000

const bootId = (): string =>
  Option.getOrElse(ProcFs.bootId, () => `${Os.hostname()}:${Math.round((Date.now() - Os.uptime() * 1000) / HOUR)}`)

const startTime = (): string =>
  Option.match(ProcFs.stat("self"), {
    onNone: () => String(Math.round(performance.timeOrigin)),
    onSome: ({ startTicks }) => startTicks
  })

/**
 * Describes this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const self = (): Host.ProcessIdentity =>
  Host.ProcessIdentity.make({
    pid: process.pid,
    startTime: startTime(),
    bootId: bootId(),
    host: Option.some(hostId()),
    pidNamespace: ProcFs.pidNamespace,
    // The name of the script alone: arguments may hold secrets.
    command: ProcFs.printableName(process.argv[1] ?? process.execPath)
  })

const exists = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    // Another user's process exists all the same.
    return codeOf(cause) === "EPERM"
  }
}

/**
 * What is known of a process. `dead` is proven. `unknown`: it ran where this process cannot look, on another host or in
 * another pid namespace, in which its pid names another process or none.
 *
 * @since 0.1.0
 * @category models
 */
export type Liveness = "alive" | "dead" | "unknown"

/** On this host, since its last boot: a process of an earlier boot has ended. */
const endedWithBoot = (self: Host.ProcessIdentity, { bootId, host }: Host.ProcessIdentity): boolean =>
  Option.isSome(ProcFs.bootId) && bootId !== self.bootId &&
  (Option.isNone(host) || Option.getOrNull(host) === Option.getOrNull(self.host))

/**
 * Finds out whether a process still runs: its pid exists, and start and boot agree.
 *
 * Where the system does not tell when another process started, or tells it of other pids than ours, a pid that exists
 * counts as alive.
 *
 * @since 0.1.0
 * @category getters
 */
export const liveness = (identity: Host.ProcessIdentity): Effect.Effect<Liveness> =>
  Effect.sync(() => {
    const here = self()
    if (endedWithBoot(here, identity)) return "dead"
    // Without /proc a boot is told by the clock, which may have been set since.
    const boot = Option.isNone(ProcFs.bootId) ? { bootId: here.bootId } : {}
    if (!Host.isNeighbour(here, Host.ProcessIdentity.make({ ...identity, ...boot }))) return "unknown"
    if (!exists(identity.pid)) return "dead"
    if (!ProcFs.isOurs) {
      return identity.pid !== process.pid || identity.startTime === here.startTime ? "alive" : "dead"
    }
    return Option.exists(
        ProcFs.stat(identity.pid),
        // A zombie has ended; only its parent has not noticed yet.
        ({ startTicks, state }) => startTicks === identity.startTime && state !== "Z" && state !== "X"
      )
      ? "alive"
      : "dead"
  })

/**
 * Describes the machine that this process runs on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Host.Host["Type"] =>
  Host.Host.of({
    self: self(),
    newId: Effect.sync(() => Crypto.randomUUID()),
    sha256: (text) => Crypto.createHash("sha256").update(text).digest("hex")
  })

/**
 * The machine that this process runs on.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Host.Host> = Layer.sync(Host.Host, make)
