/**
 * The browser of the person at this machine.
 *
 * The address goes to the platform's opener as one argument, never through a shell. It holds `state` and the PKCE
 * challenge, which OAuth puts there, and nothing secret besides.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Cp from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ChildEnvironment from "../ChildEnvironment.js"

/**
 * Opens addresses.
 *
 * @since 0.1.0
 * @category services
 */
export class Browser extends Context.Tag("@lockstep/node/login/Browser")<Browser, {
  /**
   * Opens an https address, or an http one of this machine. `false` where there is nothing to open it with, or no
   * screen to show it: another way must be found.
   */
  readonly open: (url: string) => Effect.Effect<boolean>
  /** Whether there is something to open an address with. */
  readonly isThere: boolean
}>() {}

/**
 * What decides how an address is opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Surroundings {
  readonly platform: NodeJS.Platform
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether this is the inside of a container. */
  readonly isContainer: boolean
}

/**
 * A program and its arguments.
 *
 * @since 0.1.0
 * @category models
 */
export type Opener = readonly [program: string, ...args: ReadonlyArray<string>]

/** Milliseconds after which an opener that still runs counts as a browser that is open. */
const PATIENCE = 2_000

/** They draw in the terminal, which is not theirs here. */
const TEXT_BROWSERS = ["www-browser", "lynx", "w3m", "links", "links2", "elinks", "browsh"]

const addressOf = (url: string): Option.Option<string> =>
  Option.liftThrowable(() => new URL(url))().pipe(
    Option.filter(({ hostname, protocol }) =>
      protocol === "https:" || (protocol === "http:" && LoopbackAddress.isLoopback(hostname))
    ),
    Option.map(({ href }) => href)
  )

const variable = ({ environment }: Surroundings, name: string): string => environment[name]?.trim() ?? ""

/** `BROWSER` of environ(7) as Debian reads it: commands to be tried, separated by colons, `%s` for the address. */
const named = (text: string, platform: NodeJS.Platform): ReadonlyArray<Opener> =>
  text.split(platform === "win32" ? ";" : ":").flatMap((command) => {
    const [program, ...args] = command.trim().split(/\s+/)
    return program === undefined || program === "" || TEXT_BROWSERS.includes(Path.basename(program))
      ? []
      : [[program, ...args.some((argument) => argument.includes("%s")) ? args : [...args, "%s"]] as const]
  })

const isWsl = (surroundings: Surroundings): boolean => variable(surroundings, "WSL_DISTRO_NAME") !== ""

const builtIn = (surroundings: Surroundings): ReadonlyArray<Opener> => {
  switch (surroundings.platform) {
    case "darwin":
      return [["/usr/bin/open", "%s"]]
    case "win32":
      // `start` is a word of the shell, which would read `&` in the address as its own.
      return [[
        Path.win32.join(variable(surroundings, "SystemRoot") || "C:\\Windows", "System32", "rundll32.exe"),
        "url.dll,FileProtocolHandler",
        "%s"
      ]]
    default:
      return [...isWsl(surroundings) ? [["wslview", "%s"] as const] : [], ["xdg-open", "%s"]]
  }
}

/** A desktop that an opener of the platform would reach, and that the person sits at. */
const hasDesktop = (surroundings: Surroundings): boolean => {
  const isSet = (name: string) => variable(surroundings, name) !== ""
  if (isSet("SSH_CONNECTION") || isSet("SSH_CLIENT") || isSet("SSH_TTY") || surroundings.isContainer) return false
  if (surroundings.platform === "darwin" || surroundings.platform === "win32") return true
  return isSet("DISPLAY") || isSet("WAYLAND_DISPLAY") || isWsl(surroundings)
}

/**
 * Lists what to try, in order. `LOCKSTEP_BROWSER`, then `BROWSER`, name programs and are believed anywhere: a remote
 * editor brings its own that opens at the person's side. `none` turns it off.
 *
 * @since 0.1.0
 * @category getters
 */
export const openers = (surroundings: Surroundings): ReadonlyArray<Opener> => {
  const wanted = variable(surroundings, "LOCKSTEP_BROWSER") || variable(surroundings, "BROWSER")
  if (wanted.toLowerCase() === "none") return []
  return [...named(wanted, surroundings.platform), ...hasDesktop(surroundings) ? builtIn(surroundings) : []]
}

/** Starts a program that outlives this one. Whether it is a browser: it did not fail, or it stays. */
const start = ([program, ...args]: Opener, url: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    try {
      const child = Cp.spawn(program, args.map((argument) => argument.replaceAll("%s", () => url)), {
        detached: true,
        env: ChildEnvironment.of(process.env),
        shell: false,
        stdio: "ignore",
        windowsHide: true
      })
      child.once("error", () => resume(Effect.succeed(false)))
      child.once("exit", (code) => resume(Effect.succeed(code === 0)))
      child.unref()
    } catch {
      resume(Effect.succeed(false))
    }
  }).pipe(Effect.timeoutTo({ duration: PATIENCE, onSuccess: (opened) => opened, onTimeout: () => true }))

/**
 * Makes a browser of some surroundings.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (surroundings: Surroundings): Browser["Type"] =>
  Browser.of({
    isThere: openers(surroundings).length > 0,
    open: (url) =>
      Option.match(addressOf(url), {
        onNone: () => Effect.succeed(false),
        onSome: (address) =>
          Effect.reduce(
            openers(surroundings),
            false,
            (opened, opener) => opened ? Effect.succeed(true) : start(opener, address)
          )
      }).pipe(Effect.withSpan("lockstep.browser.open"))
  })

const isContainer = ({ container, KUBERNETES_SERVICE_HOST }: NodeJS.ProcessEnv): boolean =>
  container !== undefined || KUBERNETES_SERVICE_HOST !== undefined ||
  ["/.dockerenv", "/run/.containerenv"].some((path) => Fs.existsSync(path))

/**
 * The browser of this machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Browser> = Layer.sync(
  Browser,
  () => make({ platform: process.platform, environment: process.env, isContainer: isContainer(process.env) })
)
