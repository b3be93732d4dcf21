/**
 * How another program starts this command, so that it acts on the logins that this call acts on: programs are started by
 * desktops and services, too, which know nothing of a person's shell.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as LookWiring from "../wiring/LookWiring.js"

/**
 * The words of a command.
 *
 * @since 0.1.0
 * @category models
 */
export type Words = readonly [program: string, ...args: ReadonlyArray<string>]

/**
 * This command, as others start it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Self {
  /** Words that start it with these arguments; home and store are named behind them where this call has them named. */
  readonly words: (...args: ReadonlyArray<string>) => Words
  /** The same as a line of a shell. */
  readonly line: (...args: ReadonlyArray<string>) => string
  /** Words that start it where home and store are told by variables. */
  readonly bare: (...args: ReadonlyArray<string>) => Words
  /** Variables that name them, and what else lies where a person's shell says. */
  readonly variables: Readonly<Record<string, string>>
}

const isExecutable = (path: string): boolean => {
  try {
    Fs.accessSync(path, Fs.constants.X_OK)
    return Fs.statSync(path).isFile()
  } catch {
    return false
  }
}

/** npm puts a project's own programs in the way for as long as it runs one of them. */
const LASTS = new RegExp(`[\\\\/]node_modules[\\\\/]\\.bin[\\\\/]?$`)

const NAMES = process.platform === "win32" ? ["lockstep.cmd", "lockstep.exe"] : ["lockstep"]

const isInstalled = (path: string | undefined): boolean =>
  (path ?? "").split(Path.delimiter).some((directory) =>
    Path.isAbsolute(directory) && !LASTS.test(directory) &&
    NAMES.some((name) => isExecutable(Path.join(directory, name)))
  )

const programOf = (env: NodeJS.ProcessEnv, script: string): Words =>
  isInstalled(env["PATH"]) ? ["lockstep"] : [process.execPath, Fs.realpathSync(script)]

const PATHS = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "LOCKSTEP_LOCK_DIR"]

const filled = (text: string | undefined): Option.Option<string> =>
  Option.filter(Option.fromNullable(text), (one) => one.trim() !== "")

/**
 * Finds out how this command is started. `home` is where its logins are.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly globals: LookWiring.Globals
  readonly home: string
  readonly env: NodeJS.ProcessEnv
  readonly script: string
}): Self => {
  const { env, globals, home } = options
  const [program, ...before] = programOf(env, options.script)
  const isNamed = Option.isSome(globals.home) || Option.isSome(filled(env["LOCKSTEP_HOME"]))
  const store = Option.orElse(globals.store, () => filled(env["LOCKSTEP_STORE"]))
  const places = [
    ...(isNamed ? ["--home", home] : []),
    ...Option.match(store, { onNone: () => [], onSome: (one) => ["--store", one] })
  ]
  const words: Self["words"] = (...args) => [program, ...before, ...args, ...places]
  return {
    words,
    bare: (...args) => [program, ...before, ...args],
    line: (...args) => words(...args).map(ShellWord.quote).join(" "),
    variables: {
      LOCKSTEP_HOME: home,
      ...Option.match(store, { onNone: () => ({}), onSome: (one) => ({ LOCKSTEP_STORE: one }) }),
      ...Object.fromEntries(
        PATHS.flatMap((name) =>
          Option.match(filled(env[name]), { onNone: () => [], onSome: (path) => [[name, Path.resolve(path)]] })
        )
      )
    }
  }
}
