/**
 * What logins and logouts share: the tenant is held in the order of a refresh, and the journal is left as a new login, or
 * none, needs it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Credential } from "../Credential.js"
import type { CredentialStore } from "../CredentialStore.js"
import type { Custody, Evidence, Held, Settlement } from "../Custody.js"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "../Errors.js"
import * as Fingerprint from "../Fingerprint.js"
import type * as Host from "../Host.js"
import { type JournalRecord, LoginIdentity } from "../RefreshJournal.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import { RevokeAnswer, type TokenEndpoint } from "../TokenEndpoint.js"
import type * as UnderWay from "../UnderWay.js"
import * as Answer from "./answer.js"
import * as JournalChange from "./journalChange.js"

export interface Services {
  readonly store: CredentialStore["Type"]
  readonly custody: Custody["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly policy: RefreshPolicy["Type"]
  readonly host: Host.Host["Type"]
  readonly underWay: UnderWay.Register
}

export interface Replacement {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly generation: number
  /** `login`, `logout`, `import`. */
  readonly outcome: string
  /** Fingerprints of the refresh token that was there, and of the one that took its place. */
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
}

export type Replacing = Services & ReturnType<typeof acts>

const acts = ({ custody, endpoint, host, policy, underWay }: Services) => {
  const fingerprintOf = (credential: Credential) => Fingerprint.ofCredential(host, credential)

  /** Holds the tenant for the rest of the scope. A rotation group is known from a hint, before any lock. */
  const hold = (
    tenant: TenantId,
    act: UnderWay.Act["act"],
    hint: Option.Option<Credential>
  ): Effect.Effect<
    { readonly held: Held; readonly entry: UnderWay.Entry },
    LockTimeout | LockUnavailable,
    Scope.Scope
  > =>
    Effect.gen(function*() {
      const entry = yield* underWay.enter(tenant, act)
      const { held } = yield* Effect.filterOrDie(
        custody.hold(tenant, {
          timeout: policy.lockTimeout,
          rotationGroup: Option.flatMap(hint, (credential) => endpoint.traits(tenant, credential).rotationGroup)
        }),
        (one) => one._tag === "Held",
        () => new Error("a tenant was waited for without a look, and something was found")
      )
      yield* entry.held
      return { held, entry }
    })

  /**
   * Reads what is held, and takes into the journal what the record tells: a holder that died between the two writes may
   * have left a token unmarked that is exchanged. A damaged journal keeps no person from logging in.
   */
  const readHeld = (held: Held): Effect.Effect<Evidence, CredentialStoreError> =>
    Effect.map(held.read({ replaceJournal: true }), (evidence) =>
      Option.match(evidence.stored, {
        onNone: () => evidence,
        onSome: ({ credential }) => ({
          ...evidence,
          journal: JournalChange.absorb(evidence.journal, credential, fingerprintOf(credential), evidence.now)
        })
      }))

  /** Asks the server to revoke, for so long and no longer. */
  const revoke = (tenant: TenantId, credential: Credential): Effect.Effect<RevokeAnswer> =>
    endpoint.revoke(tenant, credential).pipe(
      Effect.disconnect,
      Effect.timeoutTo({
        duration: policy.revokeTimeout,
        onSuccess: (answer): RevokeAnswer => answer,
        onTimeout: () => RevokeAnswer.Failed({ detail: "the server did not answer in time" })
      })
    )

  /** What the journal must say once the kept answer is gone and no request of this login counts any more. */
  const withoutAnswer = ({ journal, kept, now }: Evidence, generation: number): JournalRecord => {
    const exchanged = Option.filter(kept, (answer) => Answer.rotates(host, answer))
    const retired = JournalChange.retireKept(
      journal,
      Option.map(exchanged, ({ fingerprint }) => fingerprint),
      generation,
      now
    )
    return JournalChange.clear(retired, generation)
  }

  /** Notes the act, and clears what stood against the token that was there. */
  const settlement = (evidence: Evidence, { at, from, generation, outcome, to }: Replacement): Settlement => {
    // The same refresh token again is no new login: what is known of it stays known, its kept answer included.
    const isSameToken = Option.isSome(to) && Option.getOrNull(from) === to.value
    const replaced = isSameToken
      ? JournalChange.update(evidence.journal, { generation })
      : JournalChange.update(withoutAnswer(evidence, generation), {
        login: Option.map(to, (fingerprint) => LoginIdentity.make({ name: fingerprint, fingerprint }))
      })
    return {
      journal: JournalChange.note(replaced, host.self, {
        at,
        outcome,
        from: Option.getOrUndefined(from),
        to: Option.getOrUndefined(to)
      }),
      discard: !isSameToken
    }
  }

  return { fingerprintOf, hold, readHeld, revoke, settlement, withoutAnswer }
}

export const make = (services: Services): Replacing => ({ ...services, ...acts(services) })
