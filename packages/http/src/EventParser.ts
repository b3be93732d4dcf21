/**
 * Reads the event stream format (HTML, 9.2.6), one chunk of bytes after the other.
 *
 * By hand and not with `eventsource-parser`, which tells of events with data only: the id of an event without data, from which
 * the next connection has to go on, is lost there.
 *
 * @since 0.1.0
 */

/**
 * One event. `lastEventId` is what a later connection goes on after; the empty string is nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParsedEvent {
  readonly type: string
  readonly data: string
  readonly lastEventId: string
}

/**
 * What reads one stream, over as many connections as it takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface EventParser {
  /** The events that these bytes complete. */
  readonly feed: (chunk: Uint8Array) => ReadonlyArray<ParsedEvent>
  /** A new connection begins: what was unfinished on the last one is dropped, its id and its retry stay. */
  readonly restart: () => void
  /** Characters of an event that is not complete. */
  readonly pending: () => number
  /** That of the last event that is complete, one without data included. */
  readonly lastEventId: () => string
  /** Milliseconds, where the server said so. */
  readonly retry: () => number | undefined
}

const LINE_END = /\r\n|\r|\n/g

/**
 * Makes a parser that goes on after an event.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (from = ""): EventParser => {
  let decoder = new TextDecoder()
  let rest = ""
  /** The last character was a CR: a LF that follows belongs to it. */
  let afterReturn = false
  let data: Array<string> = []
  let dataLength = 0
  let type = ""
  /** What an event that is not complete says of itself counts only once it is. */
  let id = from
  let dispatchedId = from
  let retry: number | undefined

  const field = (name: string, value: string): void => {
    switch (name) {
      case "event":
        type = value
        return
      case "data":
        data.push(value)
        dataLength += value.length + 1
        return
      case "id":
        if (!value.includes("\0")) id = value
        return
      case "retry":
        if (/^[0-9]+$/.test(value)) retry = Number(value)
        return
    }
  }

  const complete = (): ReadonlyArray<ParsedEvent> => {
    dispatchedId = id
    const events = data.length === 0 ? [] : [{ type: type || "message", data: data.join("\n"), lastEventId: id }]
    data = []
    dataLength = 0
    type = ""
    return events
  }

  const line = (text: string): ReadonlyArray<ParsedEvent> => {
    if (text === "") return complete()
    const colon = text.indexOf(":")
    if (colon !== 0) {
      const value = colon < 0 ? "" : text.slice(colon + 1)
      field(colon < 0 ? text : text.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value)
    }
    return []
  }

  return {
    feed: (chunk) => {
      let text = decoder.decode(chunk, { stream: true })
      if (text === "") return []
      // A line ends with its CR, whether or not a LF comes: to wait for that one would hold the event back.
      if (afterReturn && text.startsWith("\n")) text = text.slice(1)
      afterReturn = text.endsWith("\r")
      const events: Array<ParsedEvent> = []
      let start = 0
      for (const match of text.matchAll(LINE_END)) {
        events.push(...line(rest + text.slice(start, match.index)))
        rest = ""
        start = match.index + match[0].length
      }
      rest += text.slice(start)
      return events
    },
    restart: () => {
      decoder = new TextDecoder()
      rest = ""
      afterReturn = false
      data = []
      dataLength = 0
      type = ""
      id = dispatchedId
    },
    pending: () => rest.length + dataLength,
    lastEventId: () => dispatchedId,
    retry: () => retry
  }
}
