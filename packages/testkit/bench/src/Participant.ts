/**
 * A process that takes part: it plays whichever contender it is told to, takes whichever lock, and tells the times of
 * what it did by the clock that all processes share. Tokens are fake; they travel over the pipe because only the server
 * can say which of them is good.
 *
 * @since 0.1.0
 */
import * as PersistProbe from "./PersistProbe.js"

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as LineProtocol from "@lockstep/testkit/processes/LineProtocol"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { join } from "node:path"
import type { Session } from "./Contender.js"
import { TENANT } from "./Contender.js"
import * as Lockstep from "./contender/Lockstep.js"
import * as Field from "./Field.js"
import * as Monotonic from "./Monotonic.js"
import type { Ask } from "./Reader.js"
import * as Remote from "./Remote.js"

/** Milliseconds after which a process that has no token yet gives up. */
const PATIENCE = 60_000

/** Milliseconds from the end of the work to the report, so that no report is written while others still work. */
const REPORT_DELAY = 200

const turn: Effect.Effect<void> = Effect.async((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

/**
 * What came of asking for a token. Times are milliseconds of the shared clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface Obtained {
  readonly token?: string
  readonly error?: string
  readonly endedAt: number
  /** When this process wrote the new login, if it did. */
  readonly writtenAt: number | undefined
  /** Milliseconds of processor time, user and system. */
  readonly cpu: number
}

const coordinatorOf = (home: string) =>
  Effect.map(
    Layer.build(Lockstep.layer(home)),
    (context) => Context.get(context, RefreshCoordinator.RefreshCoordinator)
  )

const make = Effect.gen(function*() {
  const outer = yield* Effect.scope
  let session: { readonly scope: Scope.CloseableScope; readonly value: Session; readonly file: string } | undefined
  let held: Scope.CloseableScope | undefined
  const asks = new Map<string, Ask>()

  /** Opens something for as long as the process lives. */
  const kept = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Scope.extend(effect, outer)

  return {
    /** Opens a home and leaves it open. */
    open: ({ contender, home }: { readonly contender: string; readonly home: string }) =>
      Effect.gen(function*() {
        const { file, open } = Field.named(Field.contenders, contender)
        const scope = yield* Scope.make()
        session = { scope, value: yield* Scope.extend(open(home), scope), file: join(home, file) }
      }),

    /** Asks for a token at this time, or at once. */
    obtain: ({ at }: { readonly at?: number }) =>
      Effect.gen(function*() {
        if (session === undefined) return yield* Effect.dieMessage("nothing is open")
        if (at !== undefined) yield* Effect.sleep(Math.max(0, at - Monotonic.now()))
        PersistProbe.watch(session.file)
        const before = process.cpuUsage()
        let endedAt: number | undefined
        // Noted before anything of this program's own: with dozens of processes its share would be the most of it.
        const answered = Effect.map(session.value.obtain, (token) => {
          endedAt = Monotonic.now()
          return token
        })
        const outcome = yield* Effect.either(Effect.timeoutFail(answered, {
          duration: PATIENCE,
          onTimeout: () => new Error(`no token within ${PATIENCE / 1000} s`)
        }))
        endedAt ??= Monotonic.now()
        const { system, user } = process.cpuUsage(before)
        yield* Effect.sleep(REPORT_DELAY)
        const obtained: Obtained = {
          ...outcome._tag === "Right" ? { token: outcome.right } : { error: Remote.reasonOf(outcome.left) },
          endedAt,
          writtenAt: PersistProbe.writtenAt(),
          cpu: (user + system) / 1000
        }
        return obtained
      }),

    close: () =>
      Effect.suspend(() => {
        const open = session
        session = undefined
        return open === undefined ? Effect.void : Scope.close(open.scope, Exit.void)
      }),

    /** Takes a lock and keeps it. */
    hold: ({ home, mutex }: { readonly mutex: string; readonly home: string }) =>
      Effect.gen(function*() {
        const acquire = yield* kept(Field.named(Field.mutexes, mutex).open(home))
        held = yield* Scope.make()
        yield* Scope.extend(acquire, held)
      }),

    /** Gives the lock back, and tells when it began to. */
    release: () =>
      Effect.gen(function*() {
        const scope = held
        if (scope === undefined) return yield* Effect.dieMessage("nothing is held")
        held = undefined
        const at = Monotonic.now()
        yield* Scope.close(scope, Exit.void)
        return { at }
      }),

    /** Waits for a lock, tells when it had it and what the wait cost, and gives it back. Says `waiting` before. */
    acquire: ({ home, mutex }: { readonly mutex: string; readonly home: string }) =>
      Effect.scoped(Effect.gen(function*() {
        const acquire = yield* Field.named(Field.mutexes, mutex).open(home)
        LineProtocol.say("waiting", { home })
        const began = Monotonic.now()
        const before = process.cpuUsage()
        yield* acquire
        const at = Monotonic.now()
        const { system, user } = process.cpuUsage(before)
        // Milliseconds of processor time in a second of waiting.
        return { at, cpu: (user + system) / (at - began) }
      })),

    /** Asks for a stored token so many times; milliseconds in all. */
    read: (
      { home, reader, tenants, times }: {
        readonly reader: string
        readonly home: string
        readonly tenants: number
        readonly times: number
      }
    ) =>
      Effect.gen(function*() {
        const ask = asks.get(home) ?? (yield* kept(Field.named(Field.readers, reader).open(home, tenants)))
        asks.set(home, ask)
        const began = Monotonic.now()
        yield* ask(times)
        return { took: Monotonic.now() - began }
      }),

    /** Asks for a token all the time, and says `seen` whenever there is a new one. */
    follow: ({ home }: { readonly home: string }) =>
      Effect.gen(function*() {
        const coordinator = yield* kept(coordinatorOf(home))
        let seen = -1
        const look = Effect.map(coordinator.accessToken(TenantId.make(TENANT)), ({ generation }) => {
          if (generation !== seen) LineProtocol.say("seen", { generation, time: Monotonic.now() })
          seen = generation
        })
        yield* look
        yield* Effect.forkIn(Effect.forever(Effect.zipRight(turn, look)), outer)
      }),

    /** Redeems now, and tells when the new login was written. */
    rotate: ({ home }: { readonly home: string }) =>
      Effect.gen(function*() {
        PersistProbe.watch(join(home, Lockstep.contender.file))
        const coordinator = yield* coordinatorOf(home)
        const { token } = yield* coordinator.refresh(TenantId.make(TENANT))
        return { generation: token.generation, at: PersistProbe.writtenAt() }
      }).pipe(Effect.scoped)
  }
})

/**
 * What the process can be asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type Participant = Effect.Effect.Success<typeof make>

NodeRuntime.runMain(Effect.scoped(Effect.flatMap(make, Remote.serve)))
