import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as EndpointUrl from "@lockstep/oauth/EndpointUrl"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

const verdict = (text: string, issuer?: string): string =>
  Either.match(EndpointUrl.published(text, "it", Option.fromNullable(issuer)), {
    onLeft: (message) => message,
    onRight: () => "may be asked"
  })

const REMOTE = "https://evil.example"

describe("an endpoint that a server names", () => {
  it("is on this machine only where its issuer is", () => {
    const hosts = [
      "localhost",
      "localhost.",
      "a.localhost",
      "127.0.0.1",
      "127.1",
      "0.0.0.0",
      "[::]",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]"
    ]
    for (const host of hosts) {
      deepStrictEqual(
        [host, verdict(`https://${host}:9/x`, REMOTE)],
        [host, "it is on this machine, where its issuer is not"]
      )
      deepStrictEqual(
        ["https://localhost:8", "http://127.0.0.1:8", undefined].map((issuer) =>
          verdict(`https://${host}:9/x`, issuer)
        ),
        ["may be asked", "may be asked", "may be asked"]
      )
    }
  })

  it("is plain http on this machine alone, whatever its name begins with", () => {
    deepStrictEqual(
      ["http://127.evil.example/x", "http://127.0.0.1.evil.example/x", "http://a.localhost/x", "http://10.0.0.1/x"]
        .map((text) => verdict(text, "http://127.0.0.1:8")),
      Array.from({ length: 4 }, () => "it must be https")
    )
    deepStrictEqual(verdict("http://127.0.0.1:9/x", "http://localhost:8"), "may be asked")
    deepStrictEqual(verdict("https://127.evil.example/x", REMOTE), "may be asked")
  })

  it("is nowhere link-local, from any source", () => {
    const hosts = ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "metadata.google.internal"]
    for (const host of hosts) {
      deepStrictEqual(
        [undefined, REMOTE, "http://127.0.0.1:8"].map((issuer) => verdict(`https://${host}/x`, issuer)),
        Array.from({ length: 3 }, () => "it must not be a link-local address")
      )
    }
  })
})
