/**
 * A `fetch` for a program that knows nothing of Effect: every request has a fresh token, is repeated once when the token
 * is rejected, and shares its login with every other process on this machine.
 *
 * Log in before: `lockstep login https://api.example/mcp`, or any other tenant; its name and its API are below.
 */
import * as BearerFetch from "@lockstep/core/BearerFetch"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as ResolvedHome from "@lockstep/node/stores/ResolvedHome"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"

const lockstep = ManagedRuntime.make(RefreshCoordinator.layer.pipe(
  Layer.provide(Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Fetch.layerGlobal)),
  Layer.provide(ResolvedHome.layerFromEnv())
))

const api = await lockstep.runPromise(BearerFetch.make({
  tenant: TenantId.make("codex"),
  origins: ["https://api.example"],
  // Bounds the sending. A signal would count the refresh before it, too.
  timeout: "30 seconds"
}))

try {
  const response = await api("https://api.example/v1/models", { headers: { accept: "application/json" } })
  process.stdout.write(`${response.status} ${await response.text()}\n`)
} catch (error) {
  // What went wrong with the token tells what to do about it; everything else is what `fetch` rejects with.
  if (!(error instanceof Error)) throw error
  const advice = "advice" in error ? `${String(error.advice)}\n` : ""
  process.stderr.write(`${error.message}\n${advice}`)
  process.exitCode = 1
} finally {
  // A refresh that is under way is waited for: what was redeemed is stored.
  await lockstep.dispose()
}
