/**
 * What logging in needs beside everything else. It is loaded by `lockstep login` alone.
 *
 * @since 0.1.0
 */
import * as Browser from "@lockstep/node/login/Browser"
import * as LoopbackCallback from "@lockstep/node/login/LoopbackCallback"
import * as Callback from "@lockstep/oauth/Callback"
import type { Login } from "@lockstep/oauth/Login"
import * as LoginDriver from "@lockstep/oauth/LoginDriver"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

// The node package knows the shape and not the service.
const callback: Layer.Layer<Callback.Callback> = Layer.effect(
  Callback.Callback,
  Effect.map(LoopbackCallback.make, ({ listen }) => Callback.Callback.of({ listen }))
)

/**
 * The login driver, with this machine's browser and a port of this machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  Login | Browser.Browser,
  never,
  Exclude<LoginDriver.Requirements, Callback.Callback>
> = Layer.merge(Layer.provide(LoginDriver.layer, callback), Browser.layer)
