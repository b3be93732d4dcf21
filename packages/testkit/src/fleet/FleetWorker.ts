/**
 * A worker of a fleet as an agent is one: the real session, spool and token endpoint of the environment that it is started
 * in. Run as `node FleetWorker.mjs SETUP`, with `SETUP` as JSON.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as PostgresHome from "@lockstep/postgres/PostgresHome"
import * as PostgresStore from "@lockstep/postgres/PostgresStore"
import * as SpoolDelivery from "@lockstep/postgres/SpoolDelivery"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as StepTracer from "../processes/StepTracer.js"
import * as FleetLoop from "./FleetLoop.js"

const ask = Effect.map(
  RefreshCoordinator.RefreshCoordinator,
  (coordinator): FleetLoop.Ask => (tenant) =>
    coordinator.accessToken(TenantId.make(tenant)).pipe(
      Effect.map(({ token }) => Redacted.value(token)),
      Effect.mapError((error) => ({
        what: `${error._tag}${"reason" in error ? ` ${error.reason}` : ""}`,
        login: error._tag === "ReauthorizationRequired"
      }))
    )
)

const announcing = Layer.effect(
  RoundTripper,
  Effect.map(NodeRoundTripper.make, ({ load }) =>
    RoundTripper.of({
      load: Effect.map(load, (send) => (request, bounds) => {
        const token = new URLSearchParams(request.body ?? "").get("refresh_token")
        if (token !== null) FleetLoop.sending(token)
        return send(request, bounds)
      })
    }))
)

const onStep = ({ at, name, tenant }: StepTracer.Step): void => {
  if (name === "lockstep.refresh.capture" && at === "end" && tenant !== undefined) FleetLoop.kept(tenant)
}

const services = SpoolDelivery.layer.pipe(
  Layer.provideMerge(RefreshCoordinator.layer),
  Layer.provideMerge(Layer.merge(PostgresHome.layer(), Layer.provide(OAuthTokenEndpoint.layerBuiltIn, announcing))),
  Layer.provideMerge(Layer.unwrapEffect(Effect.map(PostgresStore.store.limits, RefreshPolicy.layerFromEnvFor))),
  Layer.provideMerge(StepTracer.layer(onStep)),
  Layer.provideMerge(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
)

NodeRuntime.runMain(
  Effect.flatMap(ask, (question) => FleetLoop.run(question, FleetLoop.setup())).pipe(
    Effect.provide(services),
    Effect.scoped
  )
)
