/**
 * Lockstep as an agent composes it.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileHome from "@lockstep/node/FileHome"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Contender } from "../Contender.js"
import { TENANT } from "../Contender.js"

/**
 * The real network.
 *
 * @since 0.1.0
 * @category layers
 */
export const fetch = Layer.effect(
  RoundTripper,
  Effect.map(NodeRoundTripper.make, ({ load }) => RoundTripper.of({ load }))
)

/**
 * Everything over one home, with the real network.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (directory: string): Layer.Layer<RefreshCoordinator.RefreshCoordinator | CredentialStore> =>
  RefreshCoordinator.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(
      FileHome.layer({ directory }),
      Layer.provide(OAuthTokenEndpoint.layerBuiltIn, fetch)
    )),
    Layer.provide(RefreshPolicy.layerDefaults),
    Layer.orDie
  )

/**
 * One coordinator per process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contender: Contender = {
  name: "lockstep",
  label: "Lockstep",
  file: "auth.json",
  seed: (home, login) => SeededHome.write(home, [{ ...login, tenant: TENANT }]),
  open: (home) =>
    Effect.map(Layer.build(layer(home)), (context) => ({
      obtain: Effect.map(
        Context.get(context, RefreshCoordinator.RefreshCoordinator).accessToken(TenantId.make(TENANT)),
        ({ token }) => Redacted.value(token)
      )
    }))
}
