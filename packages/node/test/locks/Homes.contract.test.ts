/**
 * The locks of every home and of every tool's file, with the plans that refreshes use.
 */
import { CredentialLock } from "@lockstep/core/CredentialLock"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as FileHome from "@lockstep/node/FileHome"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import * as ToolFiles from "@lockstep/node/tools/ToolFiles"
import * as ToolHome from "@lockstep/node/tools/ToolHome"
import { credentialLockContract } from "@lockstep/testkit/contract/CredentialLockContract"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as Homes from "../support/homes.js"
import * as ToolHomes from "../support/toolHomes.js"

const patient = Layer.sync(RefreshPolicy.RefreshPolicy, () => RefreshPolicy.defaultsFor({ keyring: true }))

const native = { file: FileHome.layer, keyring: KeyringHome.layer, secrets: SecretsHome.layer }

for (const [kind, layer] of Object.entries(native)) {
  credentialLockContract(
    `a home, ${kind}`,
    () =>
      Layer.unwrapScoped(Effect.map(Homes.temporary, (root) =>
        Layer.provide(
          Layer.service(CredentialLock),
          Layer.provide(layer({ directory: Path.join(root, "home") }), [patient, Keyring.layerMemory()])
        )))
  )
}

/** Those whose refresh takes one lock, whoever is refreshed. */
const ONE_LOCK = new Set(["claude-code", "hermes", "pi"])

for (const tool of ToolFiles.all) {
  credentialLockContract(
    tool.title,
    () =>
      Layer.unwrapScoped(Effect.map(ToolHomes.place("auth.json"), (path) =>
        Layer.provide(
          Layer.service(CredentialLock),
          Layer.provide(
            ToolHome.layer(tool, path),
            Layer.sync(RefreshPolicy.RefreshPolicy, () => RefreshPolicy.defaultsFor(tool.demands))
          )
        ))),
    { isOneForAllTenants: ONE_LOCK.has(tool.name) }
  )
}
