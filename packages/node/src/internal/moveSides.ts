/**
 * The stores of a home as the two sides of a move. Every write of theirs is made within the lease of the move, which
 * holds the aggregate lock.
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import type { Lease } from "@lockstep/core/CredentialLock"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import { defaultsFor, longestHold, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AuthFile from "../AuthFile.js"
import * as AuthJson from "../AuthJson.js"
import * as Envelope from "../Envelope.js"
import * as FileClientRegistrations from "../FileClientRegistrations.js"
import * as FileCredentialStore from "../FileCredentialStore.js"
import * as FilePendingLogins from "../FilePendingLogins.js"
import { Home } from "../Home.js"
import type { StoreKind } from "../HomePin.js"
import * as Keyring from "../keyring/Keyring.js"
import * as KeyringCredentialStore from "../keyring/KeyringCredentialStore.js"
import * as KeyringIndex from "../keyring/KeyringIndex.js"
import * as KeyringIndexChange from "../keyring/KeyringIndexChange.js"
import * as KeyringKeys from "../keyring/KeyringKeys.js"
import * as KeyringTimeout from "../keyring/KeyringTimeout.js"
import * as Replaceable from "../Replaceable.js"
import * as SealedEnvelope from "../secrets/SealedEnvelope.js"
import * as SecretsKeys from "../secrets/SecretsKeys.js"
import * as SharedFile from "../SharedFile.js"
import type { Content, MoveSide, MoveSideError } from "../stores/MoveSide.js"
import * as WholeFile from "../WholeFile.js"
import * as KeyringHandover from "./keyringHandover.js"
import * as MovedText from "./movedText.js"

type Document = AuthJson.Document

const recordsOf = (store: CredentialStore["Type"]): MoveSide["records"] =>
  Effect.gen(function*() {
    const records = new Map<TenantId, Credential>()
    for (const tenant of yield* store.list) {
      const stored = yield* store.get(tenant)
      if (Option.isSome(stored)) records.set(tenant, stored.value.credential)
    }
    return records
  })

/** An `auth.json`, plain or sealed, also one that was left. */
const openFile = (path: string, lease: Lease) =>
  Effect.map(
    SharedFile.make(path, { ...AuthJson.codec, movedTo: () => Option.none() }),
    (file) => SharedFile.within(file, lease)
  )

/** Changes the text as a whole, where there is one. */
const rewriteFile = (
  file: SharedFile.SharedFile<Document>,
  edit: (document: Document, now: number) => string
): Effect.Effect<void, MoveSideError> =>
  Effect.suspend(() =>
    WholeFile.look(file.path) === undefined ? Effect.void : file.modify((document, now) => {
      const text = edit(document, now)
      return Either.right({ text: text === document.text ? Option.none() : Option.some(text), value: undefined })
    })
  )

/** What lies in an `auth.json` beside the credentials. */
interface Beside {
  readonly pending: PendingLogins["Type"]
  readonly registrations: ClientRegistrations["Type"]
}

const besideOf = (file: SharedFile.SharedFile<Document>): Effect.Effect<Beside> =>
  Effect.provideService(
    Effect.all({ pending: FilePendingLogins.make, registrations: FileClientRegistrations.make }),
    AuthFile.AuthFile,
    file
  )

const contentOf = (
  records: MoveSide["records"],
  { pending, registrations }: Beside
): Effect.Effect<Content, CredentialStoreError> =>
  Effect.all({ records, pending: pending.list, clients: registrations.list })

const takeBeside = ({ clients, pending }: Content, beside: Beside): Effect.Effect<void, MoveSideError> =>
  Effect.gen(function*() {
    for (const { login, ...key } of pending) yield* beside.pending.put(key, login)
    for (const { client, issuer } of clients) yield* beside.registrations.put(issuer, client)
  })

const enterFile = (file: SharedFile.SharedFile<Document>, { records }: Content): Effect.Effect<void, MoveSideError> =>
  rewriteFile(file, (document, now) => MovedText.enter(document, new Set(records.keys()), now))

const leaveFile = (
  file: SharedFile.SharedFile<Document>,
  { pending }: Beside,
  to: StoreKind
): Effect.Effect<void, MoveSideError> =>
  Effect.flatMap(pending.list, (logins) =>
    rewriteFile(file, (document, now) =>
      MovedText.leave(document, {
        tenants: new Set<string>(AuthJson.list(document)),
        pending: MovedText.pendingNames(logins),
        to,
        now
      })))

/** A view of the home for which nothing is pinned: the move itself changes the pin. */
const viewed = <A, E, R>(side: (home: Home["Type"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Home, (home) => {
    const view = Home.of({ ...home, agree: Effect.void, open: Effect.void, check: Effect.void })
    return Effect.provideService(side(view), Home, view)
  })

const ofAuthFile = (path: string, lease: Lease) =>
  Effect.gen(function*() {
    const envelope = yield* Envelope.Envelope
    const file = yield* openFile(path, lease)
    const store = yield* FileCredentialStore.make(file, AuthJson.codec)
    const beside = yield* besideOf(file)
    const records = recordsOf(store)
    return {
      location: store.location,
      records,
      content: contentOf(records, beside),
      prepare: Effect.zipRight(Replaceable.check(path), envelope.ready),
      take: (content) =>
        Effect.gen(function*() {
          yield* enterFile(file, content)
          for (const [tenant, credential] of content.records) {
            yield* store.modify(tenant, () => Change.Put({ credential, value: () => undefined }))
          }
          yield* takeBeside(content, beside)
        }),
      leave: (to) => leaveFile(file, beside, to)
    } satisfies MoveSide
  })

/** The plain file. */
export const ofFile = (lease: Lease) =>
  viewed((home) => Effect.provide(ofAuthFile(home.file, lease), Envelope.layerPlain))

/** The encrypted file. */
export const ofSecrets = (lease: Lease) =>
  viewed((home) =>
    Effect.provide(
      ofAuthFile(`${home.file}.sealed`, lease),
      Layer.provide(SealedEnvelope.layer, SecretsKeys.layer)
    )
  )

/** Bounds that suit the keyring: those of the process may be too short for it. */
const patient = (policy: RefreshPolicy["Type"], keyring: Keyring.Keyring["Type"]): RefreshPolicy["Type"] => {
  const limits = KeyringTimeout.limits(keyring.timeout)
  const needed = Duration.sum(longestHold(policy, limits), Duration.seconds(1))
  return {
    ...policy,
    lockTimeout: Duration.max(policy.lockTimeout, Duration.max(needed, defaultsFor(limits).lockTimeout))
  }
}

const ofKeyringIn = (home: Pick<Home["Type"], "file">, lease: Lease) =>
  Effect.gen(function*() {
    const keyring = yield* Keyring.Keyring
    const policy = yield* RefreshPolicy
    const envelope = yield* Envelope.Envelope
    const index = SharedFile.within(
      yield* Effect.provide(
        SharedFile.make(`${home.file}.keyring`, { ...KeyringIndex.format, movedTo: () => Option.none() }),
        Envelope.layerPlain
      ),
      lease
    )
    const store = yield* Effect.provideService(KeyringCredentialStore.make, RefreshPolicy, patient(policy, keyring))
    const within = { within: lease }
    const waiting = yield* openFile(`${home.file}.pending.sealed`, lease)
    const beside = yield* besideOf(waiting)
    const isLeft = Effect.map(index.read, (document) => Option.isSome(document.movedTo))
    const noteInIndex = (to: Option.Option<string>) =>
      index.modify((document) =>
        Either.right({ text: Option.some(KeyringIndexChange.setMovedTo(document, to)), value: undefined })
      )
    // Entries that a killed writer left: no index names them.
    const clear = keyring.find(`${Keyring.homeName(home)}|`).pipe(
      Effect.flatMap(Effect.forEach((account) => keyring.remove(account), { discard: true })),
      Effect.mapError(Keyring.toStoreError(keyring))
    )
    const handover = KeyringHandover.make(home, index.path)
    const removeAll = Effect.flatMap(
      store.list,
      Effect.forEach((tenant) => store.modify(tenant, () => Change.Remove({ value: undefined }), within), {
        discard: true
      })
    )
    const records = Effect.if(isLeft, {
      onTrue: () => Effect.succeed<Content["records"]>(new Map()),
      onFalse: () => recordsOf(store)
    })
    return {
      location: store.location,
      records,
      content: contentOf(records, beside),
      prepare: Effect.zipRight(Effect.mapError(keyring.probe, Keyring.toStoreError(keyring)), envelope.ready),
      take: (content) =>
        Effect.gen(function*() {
          if (WholeFile.look(index.path) !== undefined) yield* noteInIndex(Option.none())
          yield* enterFile(waiting, content)
          for (const [tenant, credential] of content.records) {
            yield* store.modify(tenant, () => Change.Put({ credential, value: () => undefined }), within)
          }
          yield* takeBeside(content, beside)
        }),
      leave: (to) =>
        Effect.suspend(() => WholeFile.look(index.path) === undefined ? Effect.succeed(true) : isLeft).pipe(
          Effect.flatMap((left) => left ? Effect.void : Effect.all([removeAll, noteInIndex(Option.some(to)), clear])),
          Effect.zipRight(handover.clear),
          Effect.zipRight(leaveFile(waiting, beside, to))
        )
    } satisfies MoveSide
  })

/** The keyring. */
export const ofKeyring = (lease: Lease) =>
  viewed((home) => Effect.provide(ofKeyringIn(home, lease), Layer.provide(SealedEnvelope.layer, KeyringKeys.layer)))
