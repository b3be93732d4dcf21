import { describe } from "@effect/vitest"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import { clientRegistrationsContract } from "@lockstep/testkit/contract/ClientRegistrationsContract"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import { custodyCrashContract } from "@lockstep/testkit/contract/CustodyCrashContract"
import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Custodies from "@lockstep/testkit/homes/HomeCustodies"
import * as KeyringHomes from "@lockstep/testkit/homes/KeyringHomes"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Effect from "effect/Effect"
import * as Path from "node:path"

const { twoMemoryViews, twoViews } = KeyringHomes

GnomeKeyring.explain()

const registerAll = (name: string, views: typeof twoViews | ReturnType<typeof twoMemoryViews>): void => {
  credentialStoreContract(name, Effect.map(views, ([a, b]) => [a.store, b.store] as const))
  refreshJournalContract(name, Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
  pendingLoginsContract(name, Effect.map(views, ([a, b]) => [a.pending, b.pending] as const))
  clientRegistrationsContract(name, Effect.map(views, ([a, b]) => [a.registrations, b.registrations] as const))
  custodyContract(name, Custodies.stageOf(views))
}

describe.skipIf(!GnomeKeyring.isInstalled)("gnome-keyring", () => registerAll("gnome-keyring", twoViews))

// The limit of Windows, and one at which every record is split.
registerAll("a keyring with 2,560 bytes for an entry", twoMemoryViews({ limit: 2_560 }))
credentialStoreContract(
  "a keyring with 200 bytes for an entry",
  Effect.map(twoMemoryViews({ limit: 200 }), ([a, b]) => [a.store, b.store] as const)
)

custodyCrashContract(
  "a keyring",
  Effect.suspend(() => {
    const entries = new Map<string, string>()
    return Custodies.machine(
      (root) => KeyringHomes.open(Path.join(root, "home"), Keyring.makeMemory({ entries })),
      entries
    )
  })
)
