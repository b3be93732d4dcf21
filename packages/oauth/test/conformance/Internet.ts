import type { FetchResponse } from "@lockstep/core/FetchFunction"
import * as NodeFetch from "@lockstep/node/NodeFetch"
import * as Fetch from "@lockstep/oauth/Fetch"
import type { VendorServer } from "@lockstep/testkit/vendors/VendorServer"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

/**
 * The way out to the network, where every public address is served by one vendor's emulator on this machine.
 */
export interface Internet {
  readonly layer: Layer.Layer<Fetch.Fetch>
  /** Whether a request is on its way, or its answer. */
  readonly isBusy: () => boolean
  /** Where a browser is sent to by an address; `undefined` where it stays, on a page that says no. */
  readonly visit: (url: string) => Effect.Effect<URL | undefined>
}

/** Read whole before it is handed over, so that nothing is under way once somebody has it. */
const whole = async (response: FetchResponse): Promise<FetchResponse> => {
  const chunks: Array<Uint8Array> = []
  const reader = response.body?.getReader()
  for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) chunks.push(read.value)
  return {
    status: response.status,
    headers: response.headers,
    body: {
      getReader: () => ({
        read: () => {
          const value = chunks.shift()
          return Promise.resolve({ done: value === undefined, value })
        }
      })
    }
  }
}

export const make = (server: VendorServer): Effect.Effect<Internet> =>
  Effect.gen(function*() {
    const network = yield* NodeFetch.make
    const send = yield* Effect.orDie(network.load)
    let busy = 0
    const counted = async <A>(work: () => Promise<A>): Promise<A> => {
      busy++
      try {
        return await work()
      } finally {
        busy--
      }
    }
    return {
      isBusy: () => busy > 0,
      layer: Fetch.layer((url, init) => counted(async () => whole(await send(server.locate(url), init)))),
      visit: (url) =>
        Effect.promise(() =>
          counted(async () => {
            const response = await send(server.locate(url), { redirect: "manual" })
            await response.arrayBuffer()
            const location = response.headers.get("location")
            return location === null ? undefined : new URL(location)
          })
        )
    }
  })
