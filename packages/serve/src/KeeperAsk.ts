/**
 * One question to a keeper, over a socket and nothing else: for a command that asks before anything is loaded. Node's HTTP
 * client costs such a command more than the answer does.
 *
 * A keeper that is gone is told at once by the system. One that is stopped says nothing: a client that asked for a sign of
 * life takes silence for that.
 *
 * @since 0.1.0
 */
import type * as Net from "node:net"
import { connect } from "node:net"
import type { KeeperAddress } from "./KeeperAddress.js"
import * as KeeperWire from "./KeeperWire.js"

/**
 * What is asked. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly address: KeeperAddress
  readonly method: "GET" | "POST"
  readonly path: string
  /** Names and values that need no escape. */
  readonly headers: Readonly<Record<string, string>>
  /** A JSON document. */
  readonly body?: unknown
  /** Silence after which the keeper counts as stopped. */
  readonly silence?: number
  /** When to stop waiting for the answer, whatever is heard. */
  readonly leaveAfter?: number | undefined
}

/**
 * What came of it. `Gone`: there is no keeper, or none that answers; `code` says how that was seen. `Late`: the time to wait
 * was over.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply =
  | { readonly _tag: "Answered"; readonly status: number; readonly body: unknown }
  | { readonly _tag: "Gone"; readonly code: string }
  | { readonly _tag: "Late" }

/** Bytes of an answer: a token is a few thousand. */
const MAX_ANSWER = 1_048_576

const END_OF_HEAD = "\r\n\r\n"

type Parsed = Reply | "more" | "malformed"

/** Looks at what has come: of HTTP what the keeper writes, which is a length and never chunks. */
const parse = (text: Buffer): Parsed => {
  let at = 0
  for (;;) {
    const end = text.indexOf(END_OF_HEAD, at, "latin1")
    if (end === -1) return text.length - at > MAX_ANSWER ? "malformed" : "more"
    const head = text.toString("latin1", at, end)
    const status = Number(/^HTTP\/1\.1 ([1-5]\d\d)(?: |\r|$)/.exec(head)?.[1])
    if (!(status >= 100)) return "malformed"
    at = end + END_OF_HEAD.length
    if (status < 200) continue
    const length = Number(/\r\ncontent-length: *(\d{1,9}) *(?:\r|$)/i.exec(head)?.[1])
    if (!(length <= MAX_ANSWER)) return "malformed"
    if (text.length < at + length) return "more"
    try {
      return { _tag: "Answered", status, body: JSON.parse(text.toString("utf8", at, at + length)) as unknown }
    } catch {
      return "malformed"
    }
  }
}

const request = ({ address, body, headers, method, path }: Question): Buffer => {
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const host = address._tag === "Socket"
    ? "localhost"
    : `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: close",
    `Prefer: ${KeeperWire.PROCESSING}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(content === undefined ? [] : ["Content-Type: application/json", `Content-Length: ${content.length}`])
  ]
  // A value with a line break would be another field.
  if (lines.some((line) => /[^\t\x20-\x7e\x80-\xff]/.test(line))) throw new TypeError("a header field is malformed")
  const head = Buffer.from(`${lines.join("\r\n")}${END_OF_HEAD}`, "latin1")
  return content === undefined ? head : Buffer.concat([head, content])
}

const codeOf = (error: unknown): string => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === "string" ? code : "UNKNOWN"
}

/**
 * Asks. Never rejects.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ask = (question: Question): Promise<Reply> =>
  new Promise((resolve) => {
    const { address, leaveAfter, silence = KeeperWire.SILENCE } = question
    let socket: Net.Socket
    let quiet: NodeJS.Timeout | undefined
    let late: NodeJS.Timeout | undefined
    const end = (reply: Reply): void => {
      clearTimeout(quiet)
      clearTimeout(late)
      resolve(reply)
      // Who asked may end the process with the answer: closing comes after it.
      setImmediate(() => socket?.destroy())
    }
    const gone = (code: string): void => end({ _tag: "Gone", code })
    const listen = (): void => {
      clearTimeout(quiet)
      quiet = setTimeout(() => gone("ETIMEDOUT"), silence)
    }
    let text: Buffer = Buffer.alloc(0)
    const look = (): void => {
      const parsed = parse(text)
      if (parsed === "more") listen()
      else if (parsed === "malformed") gone("EPROTO")
      else end(parsed)
    }
    try {
      const bytes = request(question)
      socket = address._tag === "Socket" ? connect(address.path) : connect(address.port, address.host)
      socket.on("error", (error) => gone(codeOf(error)))
      socket.on("data", (chunk) => {
        text = text.length === 0 ? chunk : Buffer.concat([text, chunk])
        look()
      })
      socket.on("close", () => gone("ECONNRESET"))
      listen()
      if (leaveAfter !== undefined) late = setTimeout(() => end({ _tag: "Late" }), leaveAfter)
      socket.write(bytes)
    } catch (error) {
      gone(codeOf(error))
    }
  })
