/**
 * What must hold of the bytes on either side of the proxy, whatever came in: judged by a reader of its own, which shares
 * nothing with the proxy.
 */

interface Head {
  readonly start: string
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly rest: string
}

const readHead = (text: string): Head | string => {
  const end = text.indexOf("\r\n\r\n")
  if (end < 0) return "a head that does not end"
  const [start = "", ...lines] = text.slice(0, end).split("\r\n")
  const fields: Array<readonly [string, string]> = []
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t\u0020-\u007e\u0080-\u00ff]*)$/.exec(line)
    if (match === null) return `a line that is no field: ${JSON.stringify(line.slice(0, 80))}`
    fields.push([match[1]!.toLowerCase(), match[2]!])
  }
  return { start, fields, rest: text.slice(end + 4) }
}

const all = ({ fields }: Head, name: string): ReadonlyArray<string> =>
  fields.flatMap(([one, value]) => one === name ? [value] : [])

/** The rest behind a body in chunks; `undefined` where it is not whole. */
const behindChunks = (text: string): string | undefined => {
  let rest = text
  for (;;) {
    const match = /^([0-9a-f]+)\r\n/i.exec(rest)
    if (match === null) return undefined
    const size = Number.parseInt(match[1]!, 16)
    if (rest.length < match[0].length + size + 2) return undefined
    rest = rest.slice(match[0].length + size + 2)
    if (size === 0) return rest
  }
}

const outside = (path: string): boolean => {
  let text = path.split("?")[0]!
  for (let layers = 0; layers < 6; layers++) {
    if (!/^\/api(?:\/|$)/.test(new URL(`http://upstream${text.replaceAll(/[?#]/g, "")}`).pathname)) return true
    try {
      text = decodeURIComponent(text)
    } catch {
      return false
    }
  }
  return false
}

const NEVER_SENT = [
  "cookie",
  "origin",
  "referer",
  "upgrade",
  "proxy-authorization",
  "expect",
  "te",
  "trailer",
  "x-original-url",
  "x-rewrite-url",
  "x-forwarded-host",
  "x_forwarded_host",
  "content_length",
  "transfer_encoding",
  "forwarded"
]

/** What is wrong with what an upstream was sent on one connection. A request that was cut off may be unfinished. */
export const ofUpstream = (
  text: string,
  expected: { readonly host: string; readonly tokens: ReadonlySet<string> }
): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  let rest = text
  while (rest !== "") {
    const head = readHead(rest)
    if (typeof head === "string") return rest.includes("\r\n\r\n") || rest.length > 66_000 ? [...wrong, head] : wrong
    const [, path = ""] = /^[A-Z-]+ (\/[^ ]*) HTTP\/1\.1$/.exec(head.start) ?? []
    if (path === "") wrong.push(`a start line: ${JSON.stringify(head.start.slice(0, 80))}`)
    else if (outside(path)) wrong.push(`a path outside: ${path}`)
    if (all(head, "host").join() !== expected.host) wrong.push(`Host: ${all(head, "host").join(" | ")}`)
    if (!expected.tokens.has(all(head, "authorization").join().replace(/^Bearer /, ""))) {
      wrong.push("another Authorization")
    }
    if (!all(head, "via").includes("1.1 lockstep")) wrong.push("a request that is not the proxy's")
    for (const name of NEVER_SENT) if (all(head, name).length > 0) wrong.push(`a field ${name}`)
    const lengths = all(head, "content-length")
    const codings = all(head, "transfer-encoding")
    if (lengths.length + codings.length > 1) wrong.push("framing twice")
    if (codings.length > 0) {
      if (codings.join() !== "chunked") wrong.push(`Transfer-Encoding: ${codings.join()}`)
      const behind = behindChunks(head.rest)
      if (behind === undefined) return wrong
      rest = behind
    } else rest = head.rest.slice(Number(lengths[0] ?? 0))
  }
  return wrong
}

const NEVER_ANSWERED = ["set-cookie", "clear-site-data", "www-authenticate", "alt-svc", "access-control-allow-origin"]

/**
 * The start lines of what a client was answered, one after the other; none out of a body, which may hold anything. Ends where
 * the end of a body cannot be told, as that of an answer to HEAD.
 */
const startsOf = (text: string): ReadonlyArray<string> => {
  const starts: Array<string> = []
  let rest: string | undefined = text
  while (rest !== undefined && rest.startsWith("HTTP/1.1 ")) {
    const head = readHead(rest)
    if (typeof head === "string") return [...starts, rest.split("\r\n")[0]!]
    starts.push(head.start)
    const [length = "0"] = all(head, "content-length")
    rest = head.start.startsWith("HTTP/1.1 1")
      ? head.rest
      : all(head, "transfer-encoding").length > 0
      ? behindChunks(head.rest)
      : head.rest.slice(Number(length))
  }
  return starts
}

/** What is wrong with what a client was answered, as far as it is whole. */
export const ofClient = (text: string, hidden: ReadonlyArray<string>): ReadonlyArray<string> => {
  const wrong: Array<string> = hidden.filter((one) => text.includes(one)).map(() => "something hidden is shown")
  if (text !== "" && !text.startsWith("HTTP/1.1 ")) wrong.push(`no answer: ${JSON.stringify(text.slice(0, 80))}`)
  for (const start of startsOf(text)) {
    if (!/^HTTP\/1\.1 [1-9]\d\d [A-Za-z' -]+$/.test(start)) wrong.push(`a status line: ${JSON.stringify(start)}`)
  }
  const head = readHead(text)
  if (text.includes("\r\n\r\n")) {
    if (typeof head === "string") wrong.push(head)
    else for (const name of NEVER_ANSWERED) if (all(head, name).length > 0) wrong.push(`an answer with ${name}`)
  }
  return wrong
}
