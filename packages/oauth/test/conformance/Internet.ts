import * as RoundTrip from "@lockstep/core/RoundTrip"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import type { VendorServer } from "@lockstep/testkit/vendors/VendorServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The way out to the network, where every public address is served by one vendor's emulator on this machine.
 */
export interface Internet {
  readonly layer: Layer.Layer<RoundTripper>
  /** Whether a request is on its way, or its answer. */
  readonly isBusy: () => boolean
  /** Where a browser is sent to by an address; `undefined` where it stays, on a page that says no. */
  readonly visit: (url: string) => Effect.Effect<URL | undefined>
}

export const make = (server: VendorServer): Effect.Effect<Internet> =>
  Effect.gen(function*() {
    const network = yield* NodeRoundTripper.make
    const send = yield* Effect.orDie(network.load)
    let busy = 0
    const counted: RoundTrip.RoundTripper = (request, bounds) => {
      busy++
      const trip = send({ ...request, url: server.locate(request.url) }, bounds)
      void trip.ended.then(() => busy--)
      return trip
    }
    return {
      isBusy: () => busy > 0,
      layer: Layer.succeed(RoundTripper, { load: Effect.succeed(counted) }),
      visit: (url) =>
        Effect.map(
          RoundTrip.within(counted, { url, method: "GET", headers: {} }, { limit: "1 minute", body: 1024 * 1024 }),
          (progress) => {
            const location = progress._tag === "Answered" ? progress.head.headers["location"] : undefined
            return location === undefined ? undefined : new URL(location)
          }
        )
    }
  })
