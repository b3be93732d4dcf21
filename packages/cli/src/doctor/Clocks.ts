/**
 * This machine's clock against those of the servers that grant tokens: a machine that is minutes off takes fresh tokens for
 * expired ones, or expired ones for fresh.
 *
 * Each server is asked for nothing but its `Date` (RFC 9110 section 6.6.1): no token, no cookie, no body, no redirect.
 *
 * @since 0.1.0
 */
import type { Credential, Stored } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as RoundTrip from "@lockstep/core/RoundTrip"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Times from "../terminal/Times.js"
import * as Finding from "./Finding.js"
import { Subject } from "./Subject.js"

const BOUND = "3 seconds"

/** `Date` counts in seconds, and an answer takes its time: what is less than a minute apart is together. */
const TOLERANCE = 60_000

const originOf = (address: string): Option.Option<string> => {
  if (!URL.canParse(address)) return Option.none()
  const { hostname, origin, protocol } = new URL(address)
  return protocol === "https:" || protocol === "http:" && LoopbackAddress.isLoopback(hostname)
    ? Option.some(origin)
    : Option.none()
}

const origins = Effect.gen(function*() {
  const { tenants } = yield* Subject
  const store = yield* CredentialStore
  const registry = yield* VendorRegistry
  const found = yield* Effect.forEach(
    tenants,
    (tenant) => Effect.orElseSucceed(store.get(tenant), () => Option.none<Stored>())
  )
  const addressOf = (credential: Credential): Option.Option<string> => {
    const vendor = registry.of(credential)
    return Option.firstSomeOf([credential.tokenEndpoint, credential.issuer, vendor.tokenEndpoint, vendor.issuer])
  }
  return [
    ...new Set(
      found.flatMap(Option.toArray).flatMap(({ credential }) =>
        Option.toArray(Option.flatMap(addressOf(credential), originOf))
      )
    )
  ]
})

const ask = (roundTripper: RoundTrip.RoundTripper, origin: string) =>
  Effect.gen(function*() {
    const before = yield* Clock.currentTimeMillis
    const progress = yield* RoundTrip.within(
      roundTripper,
      { url: `${origin}/`, method: "HEAD", headers: { accept: "*/*" } },
      { limit: BOUND, body: 0, headOnly: true }
    )
    const after = yield* Clock.currentTimeMillis
    const date = Date.parse(progress._tag === "Answered" ? progress.head.headers["date"] ?? "" : "")
    // The answer was written some time between question and answer, and its second has begun by then.
    return Number.isNaN(date) ? Option.none() : Option.some((before + after) / 2 - (date + 500))
  })

const judge = (origin: string, ahead: Option.Option<number>): ReadonlyArray<Finding.Finding> => {
  if (Option.isNone(ahead)) {
    return [
      Finding.remark(
        "clock_unchecked",
        `${origin} did not say what time it is`,
        "check the way to it, or leave this check out with --offline"
      )
    ]
  }
  return Math.abs(ahead.value) <= TOLERANCE ? [] : [Finding.problem(
    "clock_differs",
    `this machine's clock is ${Times.span(Math.abs(ahead.value))} ${
      ahead.value > 0 ? "ahead of" : "behind"
    } ${origin}'s`,
    "set the clock, best from the network (`timedatectl set-ntp true`)"
  )]
}

/**
 * Compares this machine's clock with those of the servers of all logins, all at once and for three seconds at most.
 *
 * @since 0.1.0
 * @category checks
 */
export const servers = Effect.gen(function*() {
  const { load } = yield* RoundTripper
  const found = yield* Effect.matchEffect(load, {
    // A proxy setting that is not an address is told by the network check.
    onFailure: () => Effect.succeed([]),
    onSuccess: (roundTripper) =>
      Effect.flatMap(
        origins,
        (all) =>
          Effect.forEach(all, (origin) => Effect.map(ask(roundTripper, origin), (ahead) => judge(origin, ahead)), {
            concurrency: "unbounded"
          })
      )
  })
  return { check: "servers", findings: found.flat() } satisfies Finding.Checked
})
