/**
 * What the machine contributes: its clock, and the way to the network.
 *
 * @since 0.1.0
 */
import { lifetime, type Stored } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as Freshness from "@lockstep/core/Freshness"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as Times from "../terminal/Times.js"
import * as Finding from "./Finding.js"
import { Subject } from "./Subject.js"

/**
 * Looks for tokens from the future: the clock was set back since they were obtained.
 *
 * @since 0.1.0
 * @category checks
 */
export const clock = Effect.gen(function*() {
  const store = yield* CredentialStore
  const now = yield* Clock.currentTimeMillis
  const { tenants } = yield* Subject
  const findings = yield* Effect.forEach(tenants, (tenant) =>
    Effect.map(
      Effect.orElseSucceed(store.get(tenant), () => Option.none<Stored>()),
      Option.match({
        onNone: () => [],
        onSome: ({ credential }) => {
          const times = lifetime(credential)
          return Freshness.isFromTheFuture(times, now) && times.obtainedAt !== null
            ? [Finding.problem(
              "clock_set_back",
              `the token of ${tenant} was obtained ${
                Times.relative(times.obtainedAt * 1000, now)
              }: the clock was set back`,
              "set the clock; the token is refreshed once at its next use",
              tenant
            )]
            : []
        }
      })
    ))
  return { check: "clock", findings: findings.flat() } satisfies Finding.Checked
})

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

/** Where further certificate authorities come from, and what they cost. */
const AUTHORITIES = [
  ["NODE_EXTRA_CA_CERTS", "every start takes longer"],
  ["SSL_CERT_FILE", "every request over TLS takes longer"]
] as const

const isProxy = (address: string): boolean =>
  URL.canParse(address) && ["http:", "https:"].includes(new URL(address).protocol)

/**
 * Checks the variables that lead requests elsewhere. Their values are never shown: they may hold a password.
 *
 * @since 0.1.0
 * @category checks
 */
export const network = Effect.sync((): Finding.Checked => {
  const findings: Array<Finding.Finding> = []
  for (const name of PROXIES) {
    const address = process.env[name]
    if (address === undefined || address === "") continue
    findings.push(
      isProxy(address)
        ? Finding.remark(
          "network_setting",
          `${name} is set: requests go through that proxy, except for this machine and NO_PROXY`,
          "unset it, or name the servers in NO_PROXY, where requests are to go the direct way"
        )
        : Finding.problem(
          "network_setting_wrong",
          `${name} is not the address of a proxy`,
          `set it to http://HOST:PORT, or unset it`
        )
    )
  }
  for (const [name, cost] of AUTHORITIES) {
    const path = process.env[name]
    if (path === undefined || path === "") continue
    findings.push(
      fs.existsSync(path)
        ? Finding.remark(
          "network_setting",
          `${name} is set: its certificates are trusted, and ${cost}`,
          "unset it where no server needs them"
        )
        : Finding.problem(
          "network_setting_wrong",
          `${name} names a file that does not exist`,
          "correct it, or unset it"
        )
    )
  }
  return { check: "network", findings }
})
