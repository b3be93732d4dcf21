import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import type { BearerOptions } from "@lockstep/http/BearerOptions"
import * as EventStream from "@lockstep/http/EventStream"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as LineProtocol from "../processes/LineProtocol.js"
import type { WorkerCommand } from "../processes/WorkerCommand.js"

type Of<Tag> = Extract<WorkerCommand, { readonly _tag: Tag }>

const LAYERS = {
  fetchClient: FetchHttpClient.layer,
  node: NodeHttpClient.layer,
  undici: NodeHttpClient.layerUndici
}

const optionsOf = ({ origins, tenant }: { readonly origins?: ReadonlyArray<string>; readonly tenant: string }) => ({
  tenant: TenantId.make(tenant),
  ...(origins === undefined ? {} : { origins })
} satisfies BearerOptions)

const streamOf = (text: string) => new Blob([text]).stream() as ReadableStream<Uint8Array>

const viaFetch = (command: Of<"Request">) =>
  Effect.map(BearerFetch.make(optionsOf(command)), (fetch) =>
    Effect.tryPromise({
      try: async () => {
        const { body, isStream = false, method = "GET", url } = command
        const init = { method, ...(body === undefined ? {} : { body: isStream ? streamOf(body) : body }) }
        const response = await fetch(url, isStream ? { ...init, duplex: "half" } as RequestInit : init)
        await response.text()
        return response.status
      },
      catch: (error) => error
    }))

const viaClient = (command: Of<"Request">) =>
  Effect.map(
    Effect.all([BearerClient.make(optionsOf(command)), HttpClient.HttpClient]),
    ([transform, client]) =>
      Effect.suspend(() => {
        const { body, isStream = false, method = "GET", url } = command
        const plain = HttpClientRequest.make(method)(url)
        if (body === undefined) return transform(client).execute(plain)
        return transform(client).execute(
          isStream
            ? HttpClientRequest.bodyStream(plain, Stream.fromReadableStream(() => streamOf(body), (error) => error))
            : HttpClientRequest.bodyText(plain, body)
        )
      }).pipe(Effect.flatMap((response) => Effect.as(response.text, response.status)))
  )

const manyTimes = <A, E, R>(count: number, once: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.all(Array.from({ length: count }, () => once), { concurrency: "unbounded" }),
    (statuses) => ({ statuses })
  )

/** Sends the same request so many times at once through one client, and answers with the statuses. */
export const request = (command: Of<"Request">): Effect.Effect<unknown, unknown, RefreshCoordinator> => {
  const { client, count = 1 } = command
  return client === "fetch"
    ? Effect.flatMap(viaFetch(command), (once) => manyTimes(count, once))
    : Effect.provide(Effect.flatMap(viaClient(command), (once) => manyTimes(count, once)), LAYERS[client])
}

/** Reads so many events of a stream that outlives its connections, and says `read` to each. */
export const events = (command: Of<"Events">): Effect.Effect<unknown, unknown, RefreshCoordinator> =>
  Effect.gen(function*() {
    const client = (yield* BearerClient.make(optionsOf(command)))(yield* HttpClient.HttpClient)
    const read = yield* Stream.runCollect(
      EventStream.reconnecting(client, HttpClientRequest.get(command.url)).pipe(
        Stream.tap(({ data }) => Effect.sync(() => LineProtocol.say("read", { data }))),
        Stream.take(command.count)
      )
    )
    return { data: Chunk.toReadonlyArray(read).map(({ data }) => data) }
  }).pipe(Effect.provide(NodeHttpClient.layerUndici))
