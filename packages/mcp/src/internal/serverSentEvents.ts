import * as Lines from "./lines.js"

/** One event of an event stream, as the HTML standard describes it. */
export interface ServerSentEvent {
  readonly type: string
  readonly data: string
  /** The id that a later connection goes on after; the empty string is none. */
  readonly id: string
}

export interface Decoder {
  readonly push: (piece: string) => ReadonlyArray<ServerSentEvent>
  /** How long to wait before connecting again, in milliseconds, where the server has said so. */
  readonly retry: () => number | undefined
}

/** Reads events out of pieces of text. An event that is cut off by the end of the stream is none. */
export const make = (longest?: number): Decoder => {
  const lines = Lines.make(longest)
  let isFirst = true
  let type = ""
  let id = ""
  let data: Array<string> = []
  let retry: number | undefined

  const field = (name: string, value: string): void => {
    switch (name) {
      case "event":
        type = value
        break
      case "data":
        data.push(value)
        break
      case "id":
        if (!value.includes("\0")) id = value
        break
      case "retry":
        if (/^\d+$/.test(value)) retry = Number(value)
        break
    }
  }
  const read = (line: string): ServerSentEvent | undefined => {
    if (line === "") {
      const event = { type: type === "" ? "message" : type, data: data.join("\n"), id }
      type = ""
      data = []
      return event
    }
    const colon = line.indexOf(":")
    if (colon === -1) field(line, "")
    else if (colon > 0) field(line.slice(0, colon), line.slice(colon + (line[colon + 1] === " " ? 2 : 1)))
    return undefined
  }
  return {
    push: (piece) =>
      lines.push(piece).flatMap((line) => {
        const event = read(isFirst ? line.replace(/^\uFEFF/, "") : line)
        isFirst = false
        return event === undefined ? [] : [event]
      }),
    retry: () => retry
  }
}
