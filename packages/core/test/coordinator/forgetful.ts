import * as Credential from "@lockstep/core/Credential"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** What is left of a record in a file that knows tokens, and nothing of those who share it. */
const forgotten = ({ credential }: Credential.Stored): Credential.Stored => ({
  credential: Credential.Credential.make({ ...credential, generation: 0, lastRedeem: Option.none() }),
  version: Credential.Version(
    [credential.accessToken, credential.refreshToken].map(Option.match({ onNone: () => "", onSome: Redacted.value }))
      .join()
  )
})

/** A store like another tool's file. */
export const forgetful = (store: WritableStore["Type"]): WritableStore["Type"] => ({
  ...store,
  get: (tenant) => Effect.map(store.get(tenant), Option.map(forgotten)),
  modify: (tenant, decide, options) =>
    store.modify(tenant, (current) => {
      const change = decide(Option.map(current, forgotten))
      return change._tag === "Put" ? { ...change, value: (stored) => change.value(forgotten(stored)) } : change
    }, options)
})
