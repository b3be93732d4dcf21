/**
 * A process that takes part in the measurement of the proxy: the upstream, a proxy of twenty lines beside ours, or the
 * client that loads them.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Remote from "./Remote.js"

/** Streams that are opened at one moment. */
const AT_ONCE = 32

const CHUNK = Buffer.alloc(65_536, "x")
const SMALL = Buffer.from(
  JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content: [{ type: "text", text: "ok" }] } })
)

const listen = (handler: Http.RequestListener) =>
  Effect.async<string>((resume) => {
    const server = Http.createServer({ keepAliveTimeout: 60_000 }, handler)
    server.listen(0, "127.0.0.1", () => {
      resume(Effect.succeed(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`))
    })
  })

const pour = (response: Http.ServerResponse, chunks: number): void => {
  let left = chunks
  const go = () => {
    while (left-- > 0) if (!response.write(CHUNK)) return void response.once("drain", go)
    response.end()
  }
  go()
}

/** `/small` answers a little, `/down` a lot, `/up` reads a lot, and `/echo` says back what it is told. */
const upstream: Http.RequestListener = (request, response) => {
  const [, what = "", amount = "0"] = /\/([a-z]+)(?:\/(\d+))?$/.exec(request.url ?? "") ?? []
  if (what === "echo") return void request.pipe(response)
  request.resume()
  request.on("end", () => what === "down" ? pour(response, Number(amount)) : response.end(SMALL))
}

/** What any program has to do that stands in between. */
const passThrough = (to: string): Http.RequestListener => {
  const agent = new Http.Agent({ keepAlive: true })
  const { hostname, port } = new URL(to)
  return (request, response) => {
    const { headers, method, url } = request
    const onward = Http.request({ agent, hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on("error", () => response.destroy())
    request.pipe(onward)
  }
}

const agent = new Http.Agent({ keepAlive: true })

interface Load {
  readonly url: string
}

/** Asks once and answers with the number of bytes that came. */
const ask = (url: string, body?: (request: Http.ClientRequest) => void): Promise<number> =>
  new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST"
    const request = Http.request(url, { agent, method }, (response) => {
      let bytes = 0
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on(
        "end",
        () => response.statusCode === 200 ? resolve(bytes) : reject(new Error(`HTTP ${response.statusCode}`))
      )
      response.on("error", reject)
    })
    request.on("error", reject)
    if (body === undefined) request.end()
    else body(request)
  })

const small = (url: string) =>
  ask(`${url}small`, (request) => {
    request.setHeader("Content-Type", "application/json")
    request.end(SMALL)
  })

const took = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const upload = (chunks: number) => (request: Http.ClientRequest): void => {
  let left = chunks
  const go = () => {
    while (left-- > 0) if (!request.write(CHUNK)) return void request.once("drain", go)
    request.end()
  }
  go()
}

/** One stream that is held open, both ways. */
const hold = (url: string) =>
  new Promise<{ readonly talk: (text: string) => Promise<void>; readonly end: () => void }>((resolve, reject) => {
    const request = Http.request(`${url}echo`, { agent: false, method: "POST" }, (response) => {
      let seen = ""
      let heard: ((text: string) => void) | undefined
      response.on("data", (chunk: Buffer) => {
        seen += chunk.toString()
        heard?.(seen)
      })
      response.on("error", reject)
      resolve({
        talk: (text) =>
          new Promise((done) => {
            heard = (all) => {
              if (all.endsWith(text)) done()
            }
            request.write(text)
          }),
        end: () => void request.end()
      })
    })
    request.on("error", reject)
    request.write("open;")
  })

const handlers = {
  upstream: () => listen(upstream),
  pid: () => Effect.succeed(process.pid),
  passThrough: ({ to }: { readonly to: string }) => listen(passThrough(to)),

  /** Milliseconds of each of so many requests, one after the other. */
  latency: ({ requests, url }: Load & { readonly requests: number }) =>
    Effect.tryPromise(async () => {
      const times: Array<number> = []
      for (let count = 0; count < requests; count++) times.push(await took(() => small(url)))
      return times
    }),

  /** Requests per second of so many clients at one time. */
  rate: ({ clients, requests, url }: Load & { readonly requests: number; readonly clients: number }) =>
    Effect.tryPromise(async () => {
      let left = requests
      const client = async () => {
        while (left-- > 0) await small(url)
      }
      return requests * 1000 / await took(() => Promise.all(Array.from({ length: clients }, client)))
    }),

  /** MiB per second of one answer. */
  down: ({ mebibytes, url }: Load & { readonly mebibytes: number }) =>
    Effect.tryPromise(async () => {
      const chunks = mebibytes * 16
      let bytes = 0
      const time = await took(async () => {
        bytes = await ask(`${url}down/${chunks}`)
      })
      if (bytes !== chunks * CHUNK.length) throw new Error(`${bytes} bytes came`)
      return mebibytes * 1000 / time
    }),

  /** MiB per second of one request's body. */
  up: ({ mebibytes, url }: Load & { readonly mebibytes: number }) =>
    Effect.tryPromise(async () => mebibytes * 1000 / await took(() => ask(`${url}up`, upload(mebibytes * 16)))),

  /** Holds so many streams at one time; answers with the milliseconds in which each of them says something and hears it. */
  hold: ({ rounds, streams, url }: Load & { readonly streams: number; readonly rounds: number }) =>
    Effect.tryPromise(async () => {
      // A connection whose request was not read yet is a stranger's, and of those the proxy holds 64.
      const held: Array<Awaited<ReturnType<typeof hold>>> = []
      while (held.length < streams) {
        const next = Math.min(AT_ONCE, streams - held.length)
        held.push(...await Promise.all(Array.from({ length: next }, () => hold(url))))
      }
      const times: Array<number> = []
      for (let round = 0; round < rounds; round++) {
        times.push(await took(() => Promise.all(held.map(({ talk }, index) => talk(`${round} of ${index};`)))))
      }
      for (const { end } of held) end()
      return times
    })
}

/**
 * What the process can be asked for.
 *
 * @since 0.1.0
 * @category models
 */
export type ProxyParty = typeof handlers

NodeRuntime.runMain(Remote.serve(handlers))
