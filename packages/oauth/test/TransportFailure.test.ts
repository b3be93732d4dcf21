import { assert, describe, it } from "@effect/vitest"
import * as TransportFailure from "@lockstep/oauth/TransportFailure"

const failed = (cause: unknown): Error => new TypeError("fetch failed", { cause })
const coded = (code: string, rest: object = {}): Error =>
  Object.assign(new Error(`quoted lockstep-rt-x`), { code }, rest)
const connect = (code: string) => coded(code, { syscall: "connect" })

const circle = (): Error => {
  const first = coded("UND_ERR_SOCKET")
  const second = failed(first)
  Object.assign(first, { cause: second })
  return second
}

const table: ReadonlyArray<[string, unknown, "NeverSent" | "MaybeSent"]> = [
  ["no such name", failed(coded("ENOTFOUND", { syscall: "getaddrinfo" })), "NeverSent"],
  ["resolver down", failed(coded("EAI_AGAIN", { syscall: "getaddrinfo" })), "NeverSent"],
  ["a port that fetch refuses", failed(new Error("bad port")), "NeverSent"],
  ["no listener", failed(connect("ECONNREFUSED")), "NeverSent"],
  ["no route", failed(connect("EHOSTUNREACH")), "NeverSent"],
  ["no network", failed(connect("ENETUNREACH")), "NeverSent"],
  ["SYN unanswered", failed(connect("ETIMEDOUT")), "NeverSent"],
  ["connect timeout of undici", failed(coded("UND_ERR_CONNECT_TIMEOUT")), "NeverSent"],
  [
    "all addresses refused",
    failed(Object.assign(new AggregateError([connect("ECONNREFUSED"), connect("ECONNREFUSED")]), {
      code: "ECONNREFUSED"
    })),
    "NeverSent"
  ],
  ["all addresses unreachable", failed(new AggregateError([connect("ENETUNREACH")])), "NeverSent"],
  ["self-signed certificate", failed(coded("DEPTH_ZERO_SELF_SIGNED_CERT")), "NeverSent"],
  ["expired certificate", failed(coded("CERT_HAS_EXPIRED")), "NeverSent"],
  ["another host's certificate", failed(coded("ERR_TLS_CERT_ALTNAME_INVALID")), "NeverSent"],
  [
    "no tunnel",
    failed(Object.assign(new Error("Proxy response (407) !== 200 when HTTP Tunneling"), { code: "UND_ERR_ABORTED" })),
    "NeverSent"
  ],
  ["reset", failed(coded("ECONNRESET", { syscall: "read" })), "MaybeSent"],
  ["other side closed", failed(coded("UND_ERR_SOCKET")), "MaybeSent"],
  ["unreachable while reading", failed(coded("EHOSTUNREACH", { syscall: "read" })), "MaybeSent"],
  ["timeout while reading", failed(coded("ETIMEDOUT", { syscall: "read" })), "MaybeSent"],
  ["headers timeout", failed(coded("UND_ERR_HEADERS_TIMEOUT")), "MaybeSent"],
  ["broken pipe", failed(coded("EPIPE", { syscall: "write" })), "MaybeSent"],
  ["a chain in a circle", circle(), "MaybeSent"],
  ["no code at all", new TypeError("fetch failed"), "MaybeSent"],
  ["no error at all", "ECONNREFUSED", "MaybeSent"],
  ["nothing", undefined, "MaybeSent"]
]

describe("a failed request", () => {
  it.each(table)("%s", (_, error, expected) => {
    const failure = TransportFailure.fromUnknown(error)
    assert.strictEqual(failure._tag, expected)
    assert.notInclude(failure.detail, "lockstep-rt")
  })

  it("is read to the end of a long chain, and no further than that", () => {
    let error: Error = connect("ECONNREFUSED")
    for (let depth = 0; depth < 20; depth++) error = failed(error)
    assert.strictEqual(TransportFailure.fromUnknown(error)._tag, "NeverSent")
    for (let depth = 0; depth < 10_000; depth++) error = failed(error)
    assert.strictEqual(TransportFailure.fromUnknown(error)._tag, "MaybeSent")
  })
})
