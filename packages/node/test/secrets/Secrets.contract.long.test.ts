/** The contracts of a sealed home whose key lies in a real keyring. */
import { describe } from "@effect/vitest"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHomes from "@lockstep/testkit/homes/KeyringHomes"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { registerAll } from "../support/sealedContracts.js"
import * as SealedHomes from "../support/sealedHomes.js"

GnomeKeyring.explain()

const gnome = Effect.map(
  Effect.flatMap(GnomeKeyring.make, (session) => KeyringHomes.native(session)),
  (keyring) => Layer.succeed(Keyring.Keyring, keyring)
)

describe.skipIf(!GnomeKeyring.isInstalled)(
  "gnome-keyring",
  () => registerAll("sealed, key in gnome-keyring", SealedHomes.twoViewsWith(gnome))
)
