/**
 * A client that speaks JSON-RPC in lines, as over standard input and output. It fits where the MCP SDK's stdio transport
 * for servers does, and differs in what a bridge needs: it reads no faster than the messages are
 * taken, keeps their text, puts a line together once, however many pieces it comes in, and answers what is no message,
 * for which a client would wait in vain.
 *
 * @since 0.1.0
 */
import * as Lines from "./internal/lines.js"
import * as JsonRpc from "./JsonRpc.js"
import type { Transport } from "./Transport.js"
import * as Transports from "./Transport.js"

/**
 * Where the lines come from and go to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly input: AsyncIterable<Uint8Array>
  /** Settles when more may be written. */
  readonly write: (text: string) => Promise<void>
}

const MALFORMED: Readonly<Record<number, string>> = {
  [JsonRpc.ErrorCode.Parse]: "the line is not JSON",
  [JsonRpc.ErrorCode.InvalidRequest]: "the line is JSON, and no message of JSON-RPC 2.0"
}

/**
 * Makes a transport. It ends with the input.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ input, write }: Options): Transport => {
  let isClosed = false
  const close = (): void => {
    if (isClosed) return
    isClosed = true
    transport.onclose?.()
  }
  const read = async (line: string): Promise<void> => {
    if (line.trim() === "") return
    const messages = JsonRpc.parse(line)
    if ("code" in messages) {
      const { code, id } = messages
      await write(`${JSON.stringify(JsonRpc.failure(id, { code, message: MALFORMED[code]! }))}\n`)
      return
    }
    for (const message of messages) await Transports.emit(transport, message)
  }
  const readAll = async (): Promise<void> => {
    const lines = Lines.make()
    const decoder = new TextDecoder()
    for await (const bytes of input) {
      for (const line of lines.push(decoder.decode(bytes, { stream: true }))) await read(line)
      if (isClosed) return
    }
    for (const line of lines.push(decoder.decode())) await read(line)
    await read(lines.rest())
  }
  const transport: Transport = {
    start: () => {
      readAll().catch((error: Error) => transport.onerror?.(error)).finally(close)
      return Promise.resolve()
    },
    send: (message: JsonRpc.Message) => write(`${JsonRpc.stringify(message)}\n`),
    close: async () => close()
  }
  return transport
}
