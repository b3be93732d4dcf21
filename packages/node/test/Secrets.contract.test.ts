import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Effect from "effect/Effect"
import * as SealedHomes from "./support/sealedHomes.js"

for (
  const [name, views] of [
    ["sealed, key in a file", SealedHomes.twoViews],
    ["sealed, key in a keyring", SealedHomes.twoViewsWith(SealedHomes.sharedKeyring)]
  ] as const
) {
  credentialStoreContract(name, Effect.map(views, ([a, b]) => [a.store, b.store] as const))
  pendingLoginsContract(name, Effect.map(views, ([a, b]) => [a.pending, b.pending] as const))
  refreshJournalContract(name, Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
}
