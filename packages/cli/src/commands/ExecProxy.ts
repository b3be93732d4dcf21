/**
 * `lockstep exec --proxy`: for a command that runs longer than a token lasts. A token in its environment would end while
 * it runs; the address of a proxy of its own does not.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Ended } from "../errors/Ended.js"
import * as ExitCode from "../errors/ExitCode.js"
import * as Subprocess from "../Subprocess.js"
import * as HandedOut from "../token/HandedOut.js"
import * as Obtain from "../token/Obtain.js"
import * as Proxy from "./Proxy.js"

/**
 * What `lockstep exec --proxy` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: TenantId
  /** Where the requests of the command go: an origin and a path. */
  readonly to: string
  /** The variable that gets the proxy's address. */
  readonly variable: string
  readonly command: ReadonlyArray<string>
}

const PROXIES = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]

const EXEMPTIONS = ["NO_PROXY", "no_proxy"]

const OWN = "127.0.0.1"

/**
 * What keeps a command from asking another proxy for this one: that would see the address, and could not reach it. A
 * program reads the one spelling or the other.
 *
 * @since 0.1.0
 * @category getters
 */
export const exemption = (env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> => {
  if (!PROXIES.some((name) => env[name] !== undefined && env[name] !== "")) return {}
  const present = EXEMPTIONS.map((name) => env[name]).find((text) => text !== undefined && text !== "")
  return Object.fromEntries(EXEMPTIONS.map((name) => {
    const names = (env[name] || present || "").split(",").map((one) => one.trim()).filter((one) => one !== "")
    return [name, names.includes("*") || names.includes(OWN) ? names.join(",") : [...names, OWN].join(",")]
  }))
}

/**
 * Runs a command behind a proxy of its own, and ends with its exit code. The proxy ends with the command; a refresh that
 * has begun by then is stored first.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = ({ command, tenant, to, variable }: Options) =>
  Effect.gen(function*() {
    const target = yield* Proxy.targetFor(tenant, to)
    // What ails the login is told here, and not to a command that has begun.
    const token = yield* Obtain.get({ tenant, minTtl: Option.none() })
    yield* HandedOut.check(token, { form: "exec", variable: Option.none() })
    const address = yield* Proxy.listen({ tenant, target, limits: { grace: 0 } })
    return yield* Subprocess.run(command, { [variable]: Proxy.bare(address) }, exemption(process.env))
  }).pipe(
    Effect.scoped,
    Effect.flatMap((code) => code === ExitCode.Done ? Effect.void : new Ended({ code }))
  )
