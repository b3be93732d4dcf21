/**
 * A process in memory that can be killed: from then on nothing that it asked for comes back, it asks for nothing more,
 * and its locks are free, as the kernel would have it. What it had written stays written.
 *
 * @since 0.1.0
 */
import type { CredentialLock, Lease } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import { Custody } from "@lockstep/core/Custody"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import type { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"

/**
 * What a process shares with the others.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ports {
  readonly store: WritableStore["Type"]
  readonly lock: CredentialLock["Type"]
  readonly journal: RefreshJournal["Type"]
  readonly endpoint: TokenEndpoint["Type"]
}

/**
 * One call of a port, before it has an effect or after it had one: `store.get`, `store.modify`, `store.prepare`,
 * `lock.tryAcquire`, `journal.read`, `journal.write`, `journal.reserveAnswer`, `journal.keepAnswer`, `journal.keptAnswer`,
 * `journal.dropAnswer`, `endpoint.prepare`, `endpoint.redeem` or `endpoint.revoke`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Moment {
  readonly call: string
  readonly when: "before" | "after"
}

/**
 * How a process lives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly pid: number
  readonly policy?: Partial<RefreshPolicy.RefreshPolicy["Type"]>
  /** How long every call of the store and the journal takes before it has its effect, and once more after it. */
  readonly latency?: Duration.DurationInput
  /** Asked at every moment; answers whether the process dies there. */
  readonly dies?: (moment: Moment) => boolean
}

/**
 * A process and the two ways in which it ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface MortalProcess {
  readonly coordinator: RefreshCoordinator.RefreshCoordinator["Type"]
  readonly writer: CredentialWriter.CredentialWriter["Type"]
  /** Ends it in order: what is under way is drained. Never ends when the process is dead. */
  readonly close: Effect.Effect<void>
  /** Ends it as `kill -9` does. */
  readonly kill: () => void
  readonly isDead: () => boolean
}

/**
 * Starts a process. Store, lock and journal must be in memory: their effects must not wait for anything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (ports: Ports, options: Options): Effect.Effect<MortalProcess> =>
  Effect.gen(function*() {
    let dead = false
    const latency = Duration.decode(options.latency ?? 0)
    const takesTime = Duration.equals(latency, Duration.zero) ? Effect.void : Effect.sleep(latency)
    const leases = new Set<Lease>()
    const kill = () => {
      if (dead) return
      dead = true
      for (const lease of leases) Effect.runSync(lease.release({ changed: false }))
    }
    const livesOn = (call: string, when: Moment["when"]): boolean => {
      if (!dead && options.dies?.({ call, when }) === true) kill()
      return !dead
    }
    const mortal = <A, E>(call: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() =>
        livesOn(call, "before")
          ? Effect.flatMap(Effect.exit(effect), (exit) => livesOn(call, "after") ? exit : Effect.never)
          : Effect.never
      )
    // What has an effect on the machine has it in one step: a dead process does nothing, and nothing by halves.
    const inOneStep = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => dead ? Effect.never : Effect.runSyncExit(effect))
    const local = <A, E>(call: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      mortal(call, Effect.zipLeft(Effect.zipRight(takesTime, inOneStep(effect)), takesTime))

    const { endpoint, journal, lock, store } = ports
    const tryAcquire = (target: Parameters<typeof lock.tryAcquire>[0]) =>
      Effect.map(
        lock.tryAcquire(target),
        Option.map((lease): Lease => {
          leases.add(lease)
          return {
            lost: lease.lost,
            release: (how) => inOneStep(Effect.suspend(() => leases.delete(lease) ? lease.release(how) : Effect.void))
          }
        })
      )

    let ids = 0
    const { sha256 } = yield* Effect.provide(Host.Host, Host.layerMemory)
    const parts: LockedCustody.Parts = {
      store: {
        ...store,
        get: (tenant) => local("store.get", store.get(tenant)),
        modify: (tenant, decide, options) => local("store.modify", store.modify(tenant, decide, options)),
        prepare: (tenant, options) => local("store.prepare", store.prepare(tenant, options))
      },
      lock: {
        ...lock,
        tryAcquire: (target) => mortal("lock.tryAcquire", inOneStep(tryAcquire(target)))
      },
      journal: {
        ...journal,
        read: (tenant) => local("journal.read", journal.read(tenant)),
        write: (tenant, record) => local("journal.write", journal.write(tenant, record)),
        reserveAnswer: (tenant, bytes) => local("journal.reserveAnswer", journal.reserveAnswer(tenant, bytes)),
        keepAnswer: (tenant, answer) => local("journal.keepAnswer", journal.keepAnswer(tenant, answer)),
        keptAnswer: (tenant) => local("journal.keptAnswer", journal.keptAnswer(tenant)),
        dropAnswer: (tenant) => local("journal.dropAnswer", journal.dropAnswer(tenant))
      }
    }
    const context = Context.empty().pipe(
      Context.add(CredentialStore, parts.store),
      Context.add(Custody, LockedCustody.fromParts(parts)),
      Context.add(TokenEndpoint, {
        ...endpoint,
        prepare: (tenant, credential) =>
          mortal(
            "endpoint.prepare",
            Effect.map(endpoint.prepare(tenant, credential), ({ redeem }) => ({
              redeem: (limit) => mortal("endpoint.redeem", redeem(limit))
            }))
          ),
        revoke: (tenant, credential) => mortal("endpoint.revoke", endpoint.revoke(tenant, credential))
      }),
      Context.add(RefreshPolicy.RefreshPolicy, { ...RefreshPolicy.defaults, ...options.policy }),
      Context.add(Host.Host, {
        self: Host.ProcessIdentity.make({
          pid: options.pid,
          startTime: String(options.pid),
          bootId: "memory",
          command: "test"
        }),
        newId: Effect.sync(() => `attempt-${options.pid}-${++ids}`),
        sha256
      })
    )
    const scope = yield* Scope.make()
    return {
      coordinator: yield* Effect.provide(RefreshCoordinator.make, Context.add(context, Scope.Scope, scope)),
      writer: yield* Effect.provide(CredentialWriter.make, context),
      close: Scope.close(scope, Exit.void),
      kill,
      isDead: () => dead
    }
  })
