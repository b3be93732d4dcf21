/**
 * The refresh of one login of a plain file, for a process that holds the tenant's lock already: what `lockstep token` does
 * from there on, without a parser and without what other commands and other stores need.
 *
 * @since 0.1.0
 */
import { Custody } from "@lockstep/core/Custody"
import { LockTimeout, ReauthorizationRequired, type RefreshError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Verdict from "@lockstep/core/Verdict"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as RefreshHome from "@lockstep/node/RefreshHome"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ExitCode from "./errors/ExitCode.js"
import * as PlainName from "./line/PlainName.js"
import * as Run from "./Run.js"
import { Signals } from "./Signals.js"
import type { HandOver, Refusal, Told } from "./start/HandOver.js"
import * as Output from "./terminal/Output.js"
import * as Obtain from "./token/Obtain.js"
import * as TokenFormat from "./token/TokenFormat.js"

type TokenWork = Extract<HandOver, { readonly command: "token" }>

/** By hand: layers cost a command that runs once more than what they make. */
const services = ({ line, lock }: TokenWork) =>
  Effect.gen(function*() {
    const policy = yield* RefreshPolicy.makeFromEnv()
    const ports = Context.add(
      yield* Effect.provideService(
        RefreshHome.make({ directory: line.home }, lock),
        RefreshPolicy.RefreshPolicy,
        policy
      ),
      RefreshPolicy.RefreshPolicy,
      policy
    )
    const { load } = yield* NodeRoundTripper.make
    const network = ports.pipe(
      Context.add(VendorSettings.VendorSettings, yield* Effect.provide(FileVendorSettings.make, ports)),
      Context.add(RoundTripper, RoundTripper.of({ load })),
      Context.add(VendorRegistry.VendorRegistry, VendorRegistry.make(VendorRegistry.builtIn))
    )
    const all = Context.add(network, TokenEndpoint, yield* Effect.provide(OAuthTokenEndpoint.make, network))
    const coordinator = yield* Effect.provide(RefreshCoordinator.make, all)
    const signals = yield* Signals
    yield* signals.watch(coordinator.underWay)
    return Context.add(all, RefreshCoordinator.RefreshCoordinator, coordinator)
  })

/** The error of a wait that ended without a token, as the wait of the program would have ended. */
const refused = ({ line }: TokenWork, refusal: Exclude<Refusal, Told>): Effect.Effect<never, RefreshError, Custody> =>
  Effect.gen(function*() {
    const custody = yield* Custody
    const tenant = PlainName.tenantId(line.tenant)
    switch (refusal._tag) {
      case "Removed":
        return yield* new ReauthorizationRequired({ tenant, reason: "Removed" })
      case "OtherAccount":
        return yield* Verdict.otherAccount(custody.location, refusal)
      case "LockTimeout":
        return yield* new LockTimeout({ lock: tenant, waited: refusal.waited, holder: yield* custody.holder(tenant) })
    }
  })

const answer = (work: TokenWork, refusal: Exclude<Refusal, Told> | undefined) =>
  Effect.gen(function*() {
    const { line, rejected } = work
    if (refusal !== undefined) return yield* refused(work, refusal)
    const token = yield* Obtain.get({
      tenant: PlainName.tenantId(line.tenant),
      minTtl: Option.map(Option.fromNullable(line.minTtl), Duration.millis)
    }, Option.map(Option.fromNullable(rejected), Redacted.make))
    const custody = yield* Custody
    yield* Output.line(TokenFormat.render(token, {
      format: line.format,
      source: "stored",
      store: Option.some(custody.location),
      now: yield* Clock.currentTimeMillis
    }))
    return ExitCode.Done
  })

// What an error needs to be told is loaded with the error.
const worded = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.catchAll(self, (error) =>
    Effect.flatMap(
      Effect.promise(() => import("./errors/Advised.js")),
      (Advised) => Advised.worded()(Effect.fail(error))
    ))

const linesOf = ({ command, line }: HandOver) => ({
  command,
  globals: line.home === undefined ? [] : ["--home", line.home],
  wantsJson: line.format === "json"
})

const telling = Effect.promise(() => import("./errors/Telling.js"))

const tell = (cause: Cause.Cause<unknown>, half: HandOver) =>
  Effect.flatMap(telling, (Telling) => Telling.tell(cause, linesOf(half)))

const work = (half: HandOver): Effect.Effect<number, unknown, Output.Output | Signals> => {
  const { refusal } = half
  // What was told elsewhere in the words of the command needs no home, and no words of ours.
  if (refusal?._tag === "Told") {
    return Effect.flatMap(telling, (Telling) => Telling.relay(refusal.error, linesOf(half)))
  }
  return half.command === "exec" ? Effect.never : answer(half, refusal).pipe(
    worded,
    (program) => Effect.scoped(Effect.flatMap(services(half), (context) => Effect.provide(program, context)))
  )
}

/**
 * Goes on with what the start of the command began, and ends the process.
 *
 * @since 0.1.0
 * @category execution
 */
export const main = (half: HandOver): void =>
  Run.main(
    work(half).pipe(
      Effect.catchAllCause((cause) => tell(cause, half)),
      Logger.withMinimumLogLevel(LogLevel.Warning),
      Effect.tap((code) => Effect.annotateCurrentSpan("exit_code", code)),
      Effect.withSpan("lockstep.command", { attributes: { command: half.command } }),
      Output.provide(Output.makeProcess())
    )
  )
