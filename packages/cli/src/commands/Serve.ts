/**
 * @since 0.1.0
 */
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as Activation from "@lockstep/serve/Activation"
import * as Keeper from "@lockstep/serve/Keeper"
import { KeeperHost } from "@lockstep/serve/KeeperHost"
import * as KeeperSocket from "@lockstep/serve/KeeperSocket"
import * as ServiceUnits from "@lockstep/serve/ServiceUnits"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { UsageError } from "../line/UsageError.js"
import * as HostedKeeper from "../serve/HostedKeeper.js"
import * as Signals from "../Signals.js"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import type * as LookWiring from "../wiring/LookWiring.js"
import * as SweepServices from "../wiring/SweepServices.js"

/**
 * What `lockstep serve` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** In place of the socket in the home. */
  readonly socket: Option.Option<string>
  /** A socket that other users reach, with a key. */
  readonly agentSocket: Option.Option<string>
  readonly port: Option.Option<number>
  /** The file of the audit, or `-`. */
  readonly audit: Option.Option<string>
  /** How long what is under way may take when the keeper ends. */
  readonly grace: Option.Option<Duration.Duration>
  /** Whether nothing, or everything, is refreshed ahead of expiry; else what was used in the last day is. */
  readonly lazy: boolean
  readonly sweep: boolean
  readonly json: boolean
  /** The global options as they were given, for the unit of a service. */
  readonly globals: ReadonlyArray<string>
}

const AUDIT = "serve.audit.jsonl"

/** What a person at a terminal is told beside the address. */
const tell = (text: string) =>
  Effect.flatMap(
    Output.Output,
    (output) =>
      output.noteScreen.isTerminal ? output.note(`${output.noteStyle.dim(Style.printable(text))}\n`) : Effect.void
  )

const auditOf = (home: string, audit: Option.Option<string>): string | undefined =>
  Option.match(audit, {
    onNone: () => Path.join(home, AUDIT),
    onSome: (path) => path === "-" ? undefined : Path.resolve(path)
  })

/** A service has not the environment of this process: a home that was named must be named to it. */
const globalsOf = (globals: ReadonlyArray<string>, home: string): ReadonlyArray<string> => {
  const at = globals.indexOf("--home")
  const isNamed = at !== -1 || (process.env["LOCKSTEP_HOME"] ?? "").trim() !== ""
  const rest = at === -1 ? globals : [...globals.slice(0, at), ...globals.slice(at + 2)]
  return isNamed ? [...rest, "--home", home] : rest
}

/**
 * Prints what makes a keeper a service of this user. Installs nothing.
 *
 * @since 0.1.0
 * @category commands
 */
export const install = (manager: ServiceUnits.Manager, globals: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { home } = yield* NativeHome
    const output = yield* Output.Output
    yield* output.data(ServiceUnits.render(manager, {
      program: [process.execPath, Fs.realpathSync(process.argv[1] ?? "lockstep")],
      globals: globalsOf(globals, home.directory),
      socket: KeeperSocket.defaultPath(home.directory, process.env)
    }))
  })

/**
 * Keeps the logins of a home until a signal ends it.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    if (options.lazy && options.sweep) {
      return yield* new UsageError({
        reason: "Arguments",
        message: "--lazy and --sweep exclude each other",
        advice: "say one of them"
      })
    }
    const { home: native } = yield* NativeHome
    yield* native.agree
    const home = Fs.realpathSync(native.directory)
    const signals = yield* Signals.Signals
    const output = yield* Output.Output
    const host = yield* HostedKeeper.make(home)
    const sweeping = options.sweep
      ? yield* Effect.flatMap(Effect.context<LookWiring.Services>(), (known) => SweepServices.make(known))
      : Context.empty()
    const keeper = yield* Effect.provideService(
      Keeper.open({
        file: native.file,
        lockDirectory: native.lockDirectory,
        trustRemote: yield* Config.withDefault(Config.boolean("LOCKSTEP_TRUST_LOCKS"), false),
        socket: Option.match(options.socket, {
          onNone: () => KeeperSocket.defaultPath(home, process.env),
          onSome: (path) => Path.resolve(path)
        }),
        shared: Option.getOrUndefined(Option.map(options.agentSocket, (path) => Path.resolve(path))),
        port: Option.getOrUndefined(options.port),
        ahead: options.lazy ? "Nothing" : options.sweep ? "All" : "Used",
        handed: Activation.take(process.env, process.pid),
        audit: auditOf(home, options.audit),
        limits: Option.match(options.grace, {
          onNone: () => ({}),
          onSome: (grace) => ({ grace: Duration.toMillis(grace) })
        }),
        // A second signal is no reason to lose a login, and one to lose what is under way.
        onDrain: (hurry) =>
          tell("lockstep: finishing what is under way; once more to cut it").pipe(
            Effect.zipRight(signals.redirect((signal) => Signals.isEnding(signal) ? hurry() : undefined)),
            Effect.provideService(Output.Output, output)
          )
      }),
      KeeperHost,
      host
    ).pipe(Effect.provide(sweeping))
    yield* Effect.addFinalizer(() => Activation.notify(process.env, "STOPPING=1"))
    const { shared, socket, url } = keeper
    yield* options.json
      ? Output.json({
        socket: socket ?? null,
        url: url ?? null,
        ...(shared === undefined ? {} : { agent_socket: shared })
      })
      : Effect.forEach([socket, shared, url].filter((one) => one !== undefined), (one) =>
        Output.line(Style.printable(one)))
    yield* tell(`lockstep: keeps the logins in ${home}; Ctrl-C ends it`)
    yield* Activation.notify(process.env, "READY=1")
    return yield* Effect.never
  }).pipe(Effect.scoped)
