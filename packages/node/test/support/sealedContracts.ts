/** Every contract of a home that seals what it keeps. */
import { clientRegistrationsContract } from "@lockstep/testkit/contract/ClientRegistrationsContract"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Custodies from "@lockstep/testkit/homes/HomeCustodies"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as SealedHomes from "./sealedHomes.js"

export const registerAll = <E>(name: string, views: Effect.Effect<SealedHomes.TwoViews, E, Scope.Scope>): void => {
  credentialStoreContract(name, Effect.map(views, ([a, b]) => [a.store, b.store] as const))
  pendingLoginsContract(name, Effect.map(views, ([a, b]) => [a.pending, b.pending] as const))
  clientRegistrationsContract(name, Effect.map(views, ([a, b]) => [a.registrations, b.registrations] as const))
  refreshJournalContract(name, Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
  custodyContract(name, Custodies.stageOf(views))
}
