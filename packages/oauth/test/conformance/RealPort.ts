import * as LoopbackCallback from "@lockstep/node/login/LoopbackCallback"
import { Callback, PortsTaken } from "@lockstep/oauth/Callback"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The port of this machine that the command listens on, in place of one in memory.
 */
export const layer: Layer.Layer<Callback> = Layer.effect(
  Callback,
  Effect.map(LoopbackCallback.make, ({ listen }) => ({
    listen: (options) => Effect.mapError(listen(options), ({ ports }) => new PortsTaken({ ports }))
  }))
)

/**
 * Goes where a browser is sent, and on from there. Answers the address bar in the end, and what the page says.
 */
export const open = (location: URL): Promise<string> =>
  fetch(location, { headers: { accept: "text/html" } })
    .then((response) => response.text().then((page) => `${response.url}\n${page}`))
