import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"

const hostOf = (host: string): string => new URL(`https://${host}/`).hostname

const matching = (predicate: (hostname: string) => boolean, hosts: ReadonlyArray<string>) =>
  hosts.filter((host) => predicate(hostOf(host)))

const CERTAIN = ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "127.255.255.254", "[::1]"]

const ALIASES = [
  "localhost.",
  "a.localhost",
  "a.b.localhost.",
  "localhost.localdomain",
  "localhost6",
  "ip6-localhost",
  "ip6-loopback",
  "0.0.0.0",
  "0",
  "0.1.2.3",
  "[::]",
  "[::ffff:127.0.0.1]",
  "[::ffff:0.0.0.0]",
  "[::127.0.0.1]",
  "[64:ff9b::127.0.0.1]"
]

const ELSEWHERE = [
  "127.evil.example",
  "127.0.0.1.evil.example",
  "localhost.evil.example",
  "notlocalhost",
  "localhostx",
  "126.255.255.255",
  "128.0.0.1",
  "10.0.0.1",
  "[2001:db8::1]",
  "[::ffff:10.0.0.1]",
  "[fd00::1]",
  "auth.example"
]

const LINK_LOCAL = [
  "169.254.169.254",
  "169.254.0.1",
  "2852039166",
  "[::ffff:169.254.169.254]",
  "[fe80::1]",
  "[febf::1]",
  "[fd00:ec2::254]",
  "metadata.google.internal",
  "metadata.google.internal.",
  "100.100.100.200",
  "168.63.129.16"
]

describe("LoopbackAddress", () => {
  it("is certain of loopback alone", () => {
    deepStrictEqual(
      matching(LoopbackAddress.isLoopback, [...CERTAIN, ...ALIASES, ...ELSEWHERE, ...LINK_LOCAL]),
      CERTAIN
    )
  })

  it("knows this machine under every further name", () => {
    deepStrictEqual(
      matching(LoopbackAddress.isThisMachine, [...CERTAIN, ...ALIASES, ...ELSEWHERE, ...LINK_LOCAL]),
      [...CERTAIN, ...ALIASES]
    )
  })

  it("knows what is link-local and where clouds hand out credentials", () => {
    deepStrictEqual(
      matching(LoopbackAddress.isLinkLocal, [...CERTAIN, ...ALIASES, ...ELSEWHERE, ...LINK_LOCAL]),
      LINK_LOCAL
    )
    assert.isFalse(LoopbackAddress.isLinkLocal(hostOf("169.254.evil.example")))
  })
})
