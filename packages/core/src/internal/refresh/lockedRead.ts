/** The read that decides: made by the holder, and freed of what does not belong to the stored record. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Credential from "../../Credential.js"
import type { Evidence, Held } from "../../Custody.js"
import type { CredentialStoreError } from "../../Errors.js"
import type { CapturedAnswer, JournalRecord } from "../../RefreshJournal.js"
import * as Trace from "../../Trace.js"
import * as Verdict from "../../Verdict.js"
import * as Answer from "../answer.js"
import * as JournalChange from "../journalChange.js"
import type { Request, Transaction } from "./services.js"

export interface LockedEvidence extends Evidence {
  /** Whether the kept answer is anywhere but in the memory of this process. */
  readonly isKept: boolean
}

export const make = ({ fingerprintOf, host, noteBestEffort, revoke, unpersisted }: Transaction) => {
  const readLocked = (request: Request, held: Held): Effect.Effect<LockedEvidence, CredentialStoreError> =>
    Effect.gen(function*() {
      const { hint, tenant } = request
      const read = yield* Trace.withSpan(held.read(), "lockstep.refresh.reread")
      const inMemory = Option.map(Option.fromNullable(unpersisted.get(tenant)), ({ answer }) => answer)
      // A record can be absent for a moment, while another program writes its file: that must not cost the answer.
      if (Option.isNone(read.stored)) return { ...read, isKept: Option.isSome(read.kept) }

      const { credential } = read.stored.value
      const absorbed = JournalChange.absorb(read.journal, credential, fingerprintOf(credential), read.now)
      const belongsBy = (journal: JournalRecord) => (answer: CapturedAnswer): boolean =>
        Verdict.belongs(answer, { credential, journal, fingerprint: fingerprintOf })

      const alien = Option.filter(read.kept, (answer) => !belongsBy(absorbed)(answer))
      const exchanged = Option.filter(alien, (answer) => Answer.rotates(host, answer))
      const journal = Option.match(exchanged, {
        onNone: () => absorbed,
        onSome: ({ fingerprint }) => JournalChange.retire(absorbed, fingerprint, credential.generation, read.now)
      })
      // The journal first: it says that the answer's token is consumed, and the answer is the proof until then.
      if (Option.isSome(alien)) yield* noteBestEffort(tenant, held, journal, { discard: true })
      const belongs = belongsBy(journal)
      const evidence = { ...read, journal }
      if (Option.exists(inMemory, (answer) => !belongs(answer))) {
        unpersisted.delete(tenant)
        const answer = Option.getOrThrow(inMemory)
        if (Credential.isOtherAccount(Answer.merge(hint, answer, 0), credential)) yield* revoke(tenant, hint, answer)
      }
      const kept = Option.filter(read.kept, belongs)
      return {
        ...evidence,
        kept: Option.firstSomeOf([kept, Option.filter(inMemory, belongs)]),
        isKept: Option.isSome(kept)
      }
    })

  return { readLocked }
}
