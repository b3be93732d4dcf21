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
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Path from "node:path"
import * as SealedHomes from "../support/sealedHomes.js"

GnomeKeyring.explain()

const gnome = Effect.map(
  Effect.flatMap(GnomeKeyring.make, (session) => KeyringHomes.native(session)),
  (keyring) => Layer.succeed(Keyring.Keyring, keyring)
)

const registerAll = <E>(name: string, views: Effect.Effect<SealedHomes.TwoViews, E, Scope.Scope>): void => {
  credentialStoreContract(name, Effect.map(views, ([a, b]) => [a.store, b.store] as const))
  pendingLoginsContract(name, Effect.map(views, ([a, b]) => [a.pending, b.pending] as const))
  clientRegistrationsContract(name, Effect.map(views, ([a, b]) => [a.registrations, b.registrations] as const))
  refreshJournalContract(name, Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
  custodyContract(name, Custodies.stageOf(views))
}

registerAll("sealed, key in a file", SealedHomes.twoViews)
registerAll("sealed, key in a keyring", SealedHomes.twoViewsWith(SealedHomes.sharedKeyring))
describe.skipIf(!GnomeKeyring.isInstalled)(
  "gnome-keyring",
  () => registerAll("sealed, key in gnome-keyring", SealedHomes.twoViewsWith(gnome))
)

custodyCrashContract(
  "sealed",
  Custodies.machine((root) => {
    const file = Path.join(root, "lockstep.key")
    SealedHomes.writeKeys(file, SealedHomes.keyLine())
    return SealedHomes.open(Path.join(root, "home"), { file })
  })
)
