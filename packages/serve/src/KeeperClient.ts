/**
 * A keeper for programs that await: connections are kept, and nothing but Node is needed.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Os from "node:os"
import * as Path from "node:path"
import * as KeeperAddress from "./KeeperAddress.js"
import * as KeeperWire from "./KeeperWire.js"

/**
 * Where the keeper is, and who asks.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /** `unix:/path` or `http://127.0.0.1:PORT`. `LOCKSTEP_SERVE`, else the socket of the home. */
  readonly address?: string | undefined
  /** The file of an agent's key, read for every request. `LOCKSTEP_SERVE_KEY_FILE`. */
  readonly keyFile?: string | undefined
  /** The home whose keeper is asked where no address is named. `LOCKSTEP_HOME`, else `~/.lockstep`. */
  readonly home?: string | undefined
  /** How this program calls itself in the keeper's audit. */
  readonly client?: string | undefined
  /** Milliseconds without a sign of life after which a keeper counts as stopped. 1,500. */
  readonly silence?: number | undefined
}

/**
 * Ends the wait of one call. A refresh that was begun goes on at the keeper.
 *
 * @since 0.1.0
 * @category models
 */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/**
 * What is wanted of a token. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Demand extends KeeperWire.Wishes, Abortable {}

/**
 * An access token. The token itself is in no enumerable member: printing or serializing this object shows no secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeeperToken {
  readonly tenant: string
  readonly token: string
  /** The value of the header field `Authorization`: type and secret. */
  readonly authorization: string
  readonly tokenType: string
  readonly expiresAt: Date | undefined
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly account: { readonly id?: string; readonly label?: string } | undefined
  readonly generation: number
}

/**
 * Something that happened to a login.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeeperNews {
  readonly event: "rotated" | "login_needed" | "account_changed" | "removed"
  readonly tenant: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Why there is no answer. `_tag` and `reason` are those of the errors of the command; `KeeperGone` where there is no keeper.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeeperError extends Error {
  override readonly name = "KeeperError"
  readonly _tag: string
  readonly reason: string | null
  /** What to do, for a person. */
  readonly advice: string
  readonly tenant: string | undefined
  /** Milliseconds after which trying again is worth it, where that is known. */
  readonly retryAfter: number | undefined
  /** The error as the library has it. */
  readonly source: unknown

  constructor(problem: Omit<KeeperWire.Problem, "exit_code">) {
    super(problem.message)
    this._tag = problem._tag
    this.reason = problem.reason
    this.advice = problem.advice
    this.tenant = problem.tenant
    this.retryAfter = problem.retry_after === undefined ? undefined : problem.retry_after * 1000
    this.source = problem.source
  }
}

/**
 * A keeper that is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeeperClient {
  readonly accessToken: (tenant: string, demand?: Demand) => Promise<KeeperToken>
  /** Another token than the one that got a 401. */
  readonly recover: (tenant: string, rejected: string | KeeperToken, demand?: Demand) => Promise<KeeperToken>
  /** How the logins stand that this program may use. */
  readonly tenants: (options?: Abortable) => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** What happens to them from now on, until the signal or the keeper ends it. */
  readonly events: (options?: Abortable) => AsyncIterable<KeeperNews>
  /** Any request, with its answer as it came. Rejects where there is no answer. */
  readonly request: (question: Question) => Promise<{ readonly status: number; readonly body: unknown }>
  /** Closes the connections that are kept. */
  readonly close: () => void
}

/**
 * A request in the keeper's own terms.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question extends Abortable {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: unknown
}

/** Getters of a prototype are neither printed by `console.log` nor written by `JSON.stringify`. */
class Handed implements KeeperToken {
  readonly tenant: string
  readonly tokenType: string
  readonly expiresAt: Date | undefined
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly account: KeeperToken["account"]
  readonly generation: number
  readonly #token: string

  constructor(answer: KeeperWire.TokenAnswer) {
    this.tenant = answer.tenant
    this.tokenType = answer.token_type
    this.expiresAt = answer.expires_at === undefined ? undefined : new Date(answer.expires_at * 1000)
    this.scope = answer.scope
    this.resource = answer.resource
    this.account = answer.account
    this.generation = answer.generation
    this.#token = answer.access_token
  }

  get token(): string {
    return this.#token
  }

  get authorization(): string {
    return `${this.tokenType} ${this.#token}`
  }
}

/** Bytes of an answer. */
const MAX_ANSWER = 1_048_576

const nonEmpty = (text: string | undefined): string | undefined => text?.trim() === "" ? undefined : text

const gone = (address: string, code: string): KeeperError =>
  new KeeperError({
    _tag: "KeeperGone",
    reason: null,
    message: `no keeper answers at ${address} (${code})`,
    advice: "start it with `lockstep serve`, or do without it"
  })

const codeOf = (cause: unknown): string => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return typeof code === "string" ? code : "UNKNOWN"
}

const throwIfAborted = (signal: AbortSignal | undefined): void => signal?.throwIfAborted()

interface Target {
  readonly name: string
  readonly options: Http.RequestOptions
}

const targetOf = (options: ConnectOptions): Target => {
  const { env } = process
  const named = nonEmpty(options.address) ?? nonEmpty(env[KeeperAddress.VARIABLE])
  const home = nonEmpty(options.home) ?? nonEmpty(env["LOCKSTEP_HOME"]) ?? Path.join(Os.homedir(), ".lockstep")
  const address = named === undefined
    ? KeeperAddress.ofHome(home) ?? { _tag: "Socket" as const, path: Path.join(home, KeeperWire.SOCKET) }
    : KeeperAddress.parse(named)
  if (address === undefined) {
    throw new KeeperError({
      _tag: "UsageError",
      reason: "Arguments",
      message: "the address of a keeper on this machine is expected",
      advice: "write unix:/path/of/socket or http://127.0.0.1:PORT"
    })
  }
  return {
    name: KeeperAddress.format(address),
    options: address._tag === "Socket" ? { socketPath: address.path } : { host: address.host, port: address.port }
  }
}

/**
 * Connects to the keeper of this machine. Nothing is sent before it is needed. Throws where the address is none.
 *
 * ```ts
 * import { connect } from "@lockstep/serve/KeeperClient"
 *
 * const keeper = connect({ client: "my-agent" })
 * const { authorization } = await keeper.accessToken("codex", { minTtl: 300_000 })
 * keeper.close()
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = (options: ConnectOptions = {}): KeeperClient => {
  const target = targetOf(options)
  const { client = "lockstep-client", silence = KeeperWire.SILENCE } = options
  const keyFile = nonEmpty(options.keyFile) ?? nonEmpty(process.env[KeeperAddress.KEY_VARIABLE])
  const agent = new Http.Agent({ keepAlive: true, maxFreeSockets: 8 })

  const headers = (body: Buffer | undefined): Http.OutgoingHttpHeaders => ({
    Host: "localhost",
    ...(target.options.port === undefined ? {} : { Host: `127.0.0.1:${target.options.port}` }),
    [KeeperWire.CLIENT]: client,
    Prefer: KeeperWire.PROCESSING,
    ...(keyFile === undefined ? {} : { Authorization: `Bearer ${KeeperAddress.readKey(keyFile)}` }),
    ...(body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": body.length })
  })

  const send = ({ body, method, path, signal }: Question): Promise<{
    readonly response: Http.IncomingMessage
    readonly wasKept: boolean
  }> =>
    new Promise((resolve, reject) => {
      const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      const request = Http.request({
        ...target.options,
        agent,
        method,
        path,
        headers: headers(content),
        ...(signal === undefined ? {} : { signal })
      })
      request.setTimeout(silence, () => request.destroy(Object.assign(new Error("silence"), { code: "ETIMEDOUT" })))
      request.on("response", (response) => resolve({ response, wasKept: request.reusedSocket }))
      request.on("error", (cause) => reject(Object.assign(cause, { wasKept: request.reusedSocket })))
      request.end(content)
    })

  const read = (response: Http.IncomingMessage): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const chunks: Array<Buffer> = []
      let size = 0
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MAX_ANSWER) response.destroy(Object.assign(new Error("too much"), { code: "EMSGSIZE" }))
      })
      response.on("error", reject)
      response.on("end", () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString("utf8")))
        } catch {
          reject(Object.assign(new Error("not JSON"), { code: "EPROTO" }))
        }
      })
    })

  const once = async (question: Question) => {
    const { response } = await send(question)
    return { status: response.statusCode ?? 0, body: await read(response) }
  }

  const request = async (question: Question) => {
    const { signal } = question
    try {
      return await once(question)
    } catch (cause) {
      throwIfAborted(signal)
      // The keeper may have been replaced since a connection was kept: once more, on another one. Nothing that is asked for
      // here does harm when it is asked for twice.
      if (codeOf(cause) === "ETIMEDOUT") throw gone(target.name, codeOf(cause))
      try {
        return await once(question)
      } catch (again) {
        throwIfAborted(signal)
        throw gone(target.name, codeOf(again))
      }
    }
  }

  const failed = (body: unknown): KeeperError =>
    KeeperWire.isProblemAnswer(body) ? new KeeperError(body.error) : gone(target.name, "EPROTO")

  const token = async (question: Question): Promise<KeeperToken> => {
    const { body, status } = await request(question)
    if (status !== 200 || !KeeperWire.isTokenAnswer(body)) throw failed(body)
    return new Handed(body)
  }

  return {
    request,
    accessToken: (tenant, { signal, ...wishes } = {}) =>
      token({ method: "GET", path: KeeperWire.tokenPath(tenant, wishes), signal }),
    recover: (tenant, rejected, { signal, ...wishes } = {}) =>
      token({
        method: "POST",
        path: KeeperWire.rejectedPath(tenant, wishes),
        body: { access_token: typeof rejected === "string" ? rejected : rejected.token },
        signal
      }),
    tenants: async ({ signal } = {}) => {
      const { body, status } = await request({ method: "GET", path: KeeperWire.TENANTS, signal })
      const list = (body as { readonly tenants?: unknown } | null)?.tenants
      if (status !== 200 || !Array.isArray(list)) throw failed(body)
      return list as ReadonlyArray<Readonly<Record<string, unknown>>>
    },
    events: ({ signal } = {}) => ({
      async *[Symbol.asyncIterator]() {
        let response: Http.IncomingMessage
        try {
          ;({ response } = await send({ method: "GET", path: KeeperWire.EVENTS, signal }))
        } catch (cause) {
          throwIfAborted(signal)
          throw gone(target.name, codeOf(cause))
        }
        // A keeper says every 15 seconds that it lives.
        response.socket.setTimeout(0)
        if (response.statusCode !== 200) throw failed(await read(response))
        let text = ""
        response.setEncoding("utf8")
        for await (const chunk of response) {
          text += chunk as string
          for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
            const found = newsOf(text.slice(0, end))
            text = text.slice(end + 2)
            if (found !== undefined) yield found
          }
        }
      }
    }),
    close: () => agent.destroy()
  }
}

const newsOf = (block: string): KeeperNews | undefined => {
  const event = /^event: (.*)$/m.exec(block)?.[1]
  const data = /^data: (.*)$/m.exec(block)?.[1]
  if (event === undefined || data === undefined) return undefined
  const document = JSON.parse(data) as Readonly<Record<string, unknown>>
  return { event: event as KeeperNews["event"], tenant: String(document["tenant"]), data: document }
}
