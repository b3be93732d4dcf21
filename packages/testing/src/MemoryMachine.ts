/**
 * A machine in memory: one store, one lock and one journal that several coordinators share as processes would.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import * as CredentialLock from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as Custody from "@lockstep/core/Custody"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as WritableStore from "@lockstep/core/WritableStore"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ScriptedTokenEndpoint from "./ScriptedTokenEndpoint.js"

/**
 * What a process of the machine has.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | RefreshCoordinator.RefreshCoordinator
  | CredentialStore
  | CredentialWriter.CredentialWriter
  | RefreshPolicy.RefreshPolicy

/**
 * The shared parts, the server, and a way to start another "process" on them.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryMachine {
  readonly server: ScriptedTokenEndpoint.ScriptedTokenEndpoint
  readonly store: WritableStore.WritableStore["Type"]
  readonly lock: CredentialLock.CredentialLock["Type"]
  readonly journal: RefreshJournal.RefreshJournal["Type"]
  readonly host: Host.Host["Type"]
  /** One more process: a coordinator of its own over the shared parts, closed with the scope. */
  readonly process: Effect.Effect<RefreshCoordinator.RefreshCoordinator["Type"], never, Scope.Scope>
  /** What an agent asks for, as one more process has it. Each time that it is provided it is another process. */
  readonly layer: Layer.Layer<Services>
  readonly writer: CredentialWriter.CredentialWriter["Type"]
  /** Puts a record into the store, past every lock, as a program without our locks would. */
  readonly write: (tenant: TenantId.TenantId, credential: Credential) => Effect.Effect<Credential>
  /** Takes a record out of the store, past every lock. */
  readonly erase: (tenant: TenantId.TenantId) => Effect.Effect<void>
  readonly read: (tenant: TenantId.TenantId) => Effect.Effect<Credential>
  /** The refresh token that is stored. */
  readonly refreshToken: (tenant: TenantId.TenantId) => Effect.Effect<string>
}

/**
 * Faults and bounds of a machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly policy?: Partial<RefreshPolicy.RefreshPolicy["Type"]>
  readonly store?: WritableStore.MemoryFaults
  readonly journal?: RefreshJournal.MemoryFaults
  readonly lock?: CredentialLock.CredentialLock["Type"]
  readonly wrapStore?: (store: WritableStore.WritableStore["Type"]) => WritableStore.WritableStore["Type"]
  readonly wrapJournal?: (journal: RefreshJournal.RefreshJournal["Type"]) => RefreshJournal.RefreshJournal["Type"]
}

/**
 * Makes a machine.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<MemoryMachine> =>
  Effect.gen(function*() {
    const server = yield* ScriptedTokenEndpoint.make
    const memory = yield* WritableStore.makeMemory(options.store)
    const store = options.wrapStore?.(memory) ?? memory
    const lock = options.lock ?? (yield* CredentialLock.makeMemory)
    const notes = yield* RefreshJournal.makeMemory(options.journal)
    const journal = options.wrapJournal?.(notes) ?? notes
    const host = yield* Effect.provide(Host.Host, Host.layerMemory)
    const context = Context.empty().pipe(
      Context.add(CredentialStore, store),
      Context.add(Custody.Custody, LockedCustody.fromParts({ lock, store, journal })),
      Context.add(RefreshPolicy.RefreshPolicy, { ...RefreshPolicy.defaults, ...options.policy }),
      Context.add(Host.Host, host),
      Context.add(TokenEndpoint, server.service)
    )
    const read = (tenant: TenantId.TenantId) =>
      Effect.map(Effect.orDie(memory.get(tenant)), (one) => Option.getOrThrow(one).credential)
    const process = Effect.mapInputContext(
      RefreshCoordinator.make,
      (scope: Context.Context<Scope.Scope>) => Context.merge(context, scope)
    )
    const writer = yield* Effect.provide(CredentialWriter.make, context)
    return {
      server,
      store,
      lock,
      journal,
      host,
      process,
      // Fresh: two agents that are provided with one layer would otherwise be one process.
      layer: Layer.fresh(Layer.scopedContext(Effect.map(process, (coordinator) =>
        Context.empty().pipe(
          Context.add(RefreshCoordinator.RefreshCoordinator, coordinator),
          Context.add(CredentialStore, store),
          Context.add(CredentialWriter.CredentialWriter, writer),
          Context.add(RefreshPolicy.RefreshPolicy, Context.get(context, RefreshPolicy.RefreshPolicy))
        )))),
      writer,
      write: (tenant, credential) =>
        Effect.orDie(memory.modify(tenant, (current) =>
          WritableStore.Change.Put({
            credential: Credential.make({
              ...credential,
              generation: Option.match(current, { onNone: () => 0, onSome: (one) => one.credential.generation }) + 1
            }),
            value: (stored) => stored.credential
          }))),
      erase: (tenant) => Effect.orDie(memory.modify(tenant, () => WritableStore.Change.Remove({ value: undefined }))),
      read,
      refreshToken: (tenant) =>
        Effect.map(read(tenant), ({ refreshToken }) => Redacted.value(Option.getOrThrow(refreshToken)))
    }
  })

/**
 * The tenant that most tests are about.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const tenant = TenantId.make("codex")

/**
 * A tenant beside it.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const otherTenant = TenantId.make("mcp:linear")

/**
 * The value of an access token, for assertions.
 *
 * @since 0.1.0
 * @category getters
 */
export const valueOf = (token: { readonly token: Redacted.Redacted }): string => Redacted.value(token.token)
