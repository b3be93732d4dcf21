/**
 * The locks of every home and of every tool's file, with the plans that refreshes use.
 */
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as FileHome from "@lockstep/node/FileHome"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import * as KeyringTimeout from "@lockstep/node/keyring/KeyringTimeout"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import { credentialLockContract } from "@lockstep/testkit/contract/CredentialLockContract"
import { fileLockContract } from "@lockstep/testkit/contract/FileLockContract"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as ToolFile from "@lockstep/tools/ToolFile"
import * as ToolFiles from "@lockstep/tools/ToolFiles"
import * as ToolHome from "@lockstep/tools/ToolHome"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as ToolHomes from "./support/toolHomes.js"

const patient = Layer.sync(
  RefreshPolicy.RefreshPolicy,
  () => RefreshPolicy.defaultsFor(KeyringTimeout.limits(KeyringTimeout.defaultTimeout))
)

const native = { file: FileHome.layer, keyring: KeyringHome.layer, secrets: SecretsHome.layer }

const homeOf = (layer: typeof native[keyof typeof native]) => () =>
  Layer.unwrapScoped(
    Effect.map(
      Homes.temporary,
      (root) =>
        Layer.provide(
          layer({ directory: Path.join(root, "home") }),
          [patient, Keyring.layerMemory()]
        )
    )
  )

for (const [kind, layer] of Object.entries(native)) {
  credentialLockContract(`a home, ${kind}`, homeOf(layer))
  fileLockContract(`a home, ${kind}`, homeOf(layer))
}

/** Those whose refresh takes one lock, whatever tenant of these two is refreshed. */
const ONE_LOCK = new Set(["hermes", "mcp-remote", "pi"])

for (const tool of ToolFiles.all) {
  const layer = () =>
    Layer.unwrapScoped(Effect.map(ToolHomes.place("auth.json"), (path) =>
      Layer.provide(
        ToolHome.layer(tool, path),
        Layer.sync(RefreshPolicy.RefreshPolicy, () => RefreshPolicy.defaultsFor(ToolFile.limits(tool)))
      )))
  credentialLockContract(tool.title, layer, { isOneForAllTenants: ONE_LOCK.has(tool.name) })
  fileLockContract(tool.title, layer)
}
