/**
 * One of the two stores of a move, seen by whoever holds every lock: neither the pin nor a note that the logins went
 * elsewhere keeps it out.
 */
import type { ClientRegistrations, Registration } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialLock } from "@lockstep/core/CredentialLock"
import { Change, type CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { Pending, PendingLogins } from "@lockstep/core/PendingLogins"
import { defaultsFor, longestHold, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as AuthFile from "../AuthFile.js"
import * as AuthJson from "../AuthJson.js"
import * as Envelope from "../Envelope.js"
import * as FileClientRegistrations from "../FileClientRegistrations.js"
import * as FileCredentialStore from "../FileCredentialStore.js"
import * as FilePendingLogins from "../FilePendingLogins.js"
import { Home, type StoreKind } from "../Home.js"
import * as Keyring from "../keyring/Keyring.js"
import * as KeyringCredentialStore from "../keyring/KeyringCredentialStore.js"
import * as KeyringIndex from "../keyring/KeyringIndex.js"
import * as KeyringKeys from "../keyring/KeyringKeys.js"
import * as SealedEnvelope from "../secrets/SealedEnvelope.js"
import * as SecretsKeys from "../secrets/SecretsKeys.js"
import * as SharedFile from "../SharedFile.js"
import * as WholeFile from "../WholeFile.js"
import type { ExclusiveError } from "./aggregate.js"
import * as MovedText from "./movedText.js"

export type Records = ReadonlyMap<TenantId, Credential>
export type Attempts = ReadonlyArray<Pending>
export type Clients = ReadonlyArray<Registration>

export interface MoveSide {
  /** What messages call it. */
  readonly location: string
  readonly store: CredentialStore["Type"]
  readonly pending: PendingLogins["Type"]
  readonly registrations: ClientRegistrations["Type"]
  readonly records: Effect.Effect<Records, CredentialStoreError>
  readonly attempts: Effect.Effect<Attempts, CredentialStoreError>
  readonly clients: Effect.Effect<Clients, CredentialStoreError>
  /** Finds out whether it can be written at all. */
  readonly prepare: Effect.Effect<void, CredentialStoreError>
  /** Makes ready to take these tenants' records. */
  readonly enter: (tenants: ReadonlySet<string>) => Effect.Effect<void, ExclusiveError>
  /** Gives up every record, every unfinished login and every registration, and notes where they are. Nothing to give up is fine. */
  readonly leave: (to: StoreKind) => Effect.Effect<void, ExclusiveError>
}

const recordsOf = (store: CredentialStore["Type"]): Effect.Effect<Records, CredentialStoreError> =>
  Effect.gen(function*() {
    const records = new Map<TenantId, Credential>()
    for (const tenant of yield* store.list) {
      const stored = yield* store.get(tenant)
      if (Option.isSome(stored)) records.set(tenant, stored.value.credential)
    }
    return records
  })

/** An `auth.json`, plain or sealed, also one that was left. */
const openFile = (
  path: string
): Effect.Effect<
  SharedFile.SharedFile<AuthJson.Document>,
  never,
  Home | CredentialLock | RefreshPolicy | Envelope.Envelope
> => SharedFile.make(path, { ...AuthJson.codec, movedTo: () => Option.none() })

/** Changes the text as a whole, where there is one. */
const rewriteFile = (
  file: SharedFile.SharedFile<AuthJson.Document>,
  edit: (document: AuthJson.Document, now: number) => string
): Effect.Effect<void, ExclusiveError> =>
  Effect.suspend(() =>
    WholeFile.look(file.path) === undefined ? Effect.void : file.modify((document, now) => {
      const text = edit(document, now)
      return Either.right({ text: text === document.text ? Option.none() : Option.some(text), value: undefined })
    })
  )

const pendingOf = (
  file: SharedFile.SharedFile<AuthJson.Document>
): Effect.Effect<PendingLogins["Type"]> => Effect.provideService(FilePendingLogins.make, AuthFile.AuthFile, file)

const registrationsOf = (
  file: SharedFile.SharedFile<AuthJson.Document>
): Effect.Effect<ClientRegistrations["Type"]> =>
  Effect.provideService(FileClientRegistrations.make, AuthFile.AuthFile, file)

const leaveFile = (
  file: SharedFile.SharedFile<AuthJson.Document>,
  pending: PendingLogins["Type"],
  to: StoreKind
): Effect.Effect<void, ExclusiveError> =>
  Effect.flatMap(pending.list, (logins) =>
    rewriteFile(file, (document, now) =>
      MovedText.leave(document, {
        tenants: new Set<string>(AuthJson.list(document)),
        pending: MovedText.pendingNames(logins),
        to,
        now
      })))

const ofFile = (path: string) =>
  Effect.gen(function*() {
    const envelope = yield* Envelope.Envelope
    const file = yield* openFile(path)
    const store = yield* FileCredentialStore.make(file, AuthJson.codec)
    const pending = yield* pendingOf(file)
    const registrations = yield* registrationsOf(file)
    return {
      location: store.location,
      store,
      pending,
      registrations,
      records: recordsOf(store),
      attempts: pending.list,
      clients: registrations.list,
      prepare: envelope.ready,
      enter: (tenants) => rewriteFile(file, (document, now) => MovedText.enter(document, tenants, now)),
      leave: (to) => leaveFile(file, pending, to)
    } satisfies MoveSide
  })

const ofKeyring = ({ file }: Pick<Home["Type"], "file">) =>
  Effect.gen(function*() {
    const keyring = yield* Keyring.Keyring
    const envelope = yield* Envelope.Envelope
    const index = yield* Effect.provide(
      SharedFile.make(`${file}.keyring`, { ...KeyringIndex.format, movedTo: () => Option.none() }),
      Envelope.layerPlain
    )
    const store = yield* KeyringCredentialStore.make
    const waiting = yield* openFile(`${file}.pending.sealed`)
    const pending = yield* pendingOf(waiting)
    const registrations = yield* registrationsOf(waiting)
    // The store itself refuses to read an index whose records went elsewhere.
    const isLeft = Effect.map(index.read, ({ movedTo }) => Option.isSome(movedTo))
    const noteInIndex = (to: Option.Option<StoreKind>) =>
      index.modify((document) =>
        Either.right({ text: Option.some(KeyringIndex.setMovedTo(document, to)), value: undefined })
      )
    // Entries that a killed writer left are named by nobody who would still look.
    const clear = keyring.find(`${Keyring.homeName({ file })}|`).pipe(
      Effect.flatMap(Effect.forEach((account) => keyring.remove(account), { discard: true })),
      Effect.mapError(Keyring.toStoreError(keyring))
    )
    const removeAll = Effect.flatMap(
      store.list,
      Effect.forEach((tenant) => store.modify(tenant, () => Change.Remove({ value: undefined })), { discard: true })
    )
    return {
      location: store.location,
      store,
      pending,
      registrations,
      records: Effect.if(isLeft, { onTrue: () => Effect.succeed<Records>(new Map()), onFalse: () => recordsOf(store) }),
      attempts: pending.list,
      clients: registrations.list,
      prepare: Effect.zipRight(Effect.mapError(keyring.probe, Keyring.toStoreError(keyring)), envelope.ready),
      enter: (tenants) =>
        Effect.zipRight(
          Effect.when(noteInIndex(Option.none()), () => WholeFile.look(index.path) !== undefined),
          rewriteFile(waiting, (document, now) => MovedText.enter(document, tenants, now))
        ),
      leave: (to) =>
        Effect.suspend(() => WholeFile.look(index.path) === undefined ? Effect.succeed(true) : isLeft).pipe(
          Effect.flatMap((left) => left ? Effect.void : Effect.all([removeAll, noteInIndex(Option.some(to)), clear])),
          Effect.zipRight(leaveFile(waiting, pending, to))
        )
    } satisfies MoveSide
  }).pipe(Effect.provide(Layer.provide(SealedEnvelope.layer, KeyringKeys.layer)))

/** What is written once everything is locked needs no lock of its own. */
const HELD = CredentialLock.of({
  plan: () => [],
  tryAcquire: () => Effect.succeedSome({ release: () => Effect.void }),
  holder: () => Effect.succeedNone,
  wakeups: () => Queue.unbounded<void>(),
  backoff: { min: 1_000, max: 1_000 }
})

const sideOf = (kind: StoreKind, home: Pick<Home["Type"], "file">) => {
  switch (kind) {
    case "file":
      return Effect.provide(ofFile(home.file), Envelope.layerPlain)
    case "secrets":
      return Effect.provide(ofFile(`${home.file}.sealed`), Layer.provide(SealedEnvelope.layer, SecretsKeys.layer))
    case "keyring":
      return ofKeyring(home)
  }
}

/** Bounds that suit the store: those of the process may be too short for a keyring. */
const policyFor = (policy: RefreshPolicy["Type"], kind: StoreKind): RefreshPolicy["Type"] => {
  const demands = kind === "keyring" ? { keyring: true } : {}
  const needed = Duration.sum(longestHold(policy, demands), Duration.seconds(1))
  return {
    ...policy,
    lockTimeout: Duration.max(policy.lockTimeout, Duration.max(needed, defaultsFor(demands).lockTimeout))
  }
}

/** Opens one kind of store of the home under the locks that the caller holds. */
export const make = (
  kind: StoreKind
): Effect.Effect<MoveSide, ConfigError, Home | RefreshPolicy | Keyring.Keyring | Scope.Scope> =>
  Effect.gen(function*() {
    const home = yield* Home
    const policy = yield* RefreshPolicy
    const view = Home.of({ ...home, store: kind, open: Effect.void, check: Effect.void })
    return yield* sideOf(kind, view).pipe(
      Effect.provideService(Home, view),
      Effect.provideService(RefreshPolicy, policyFor(policy, kind)),
      Effect.provideService(CredentialLock, HELD)
    )
  })
