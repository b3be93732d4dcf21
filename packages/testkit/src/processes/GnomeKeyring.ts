/**
 * A real keyring in a session of its own: a private D-Bus with an unlocked gnome-keyring, which a test locks, stops and
 * kills as it likes, and of which the user's own session knows nothing.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const PROGRAMS = ["dbus-daemon", "dbus-send", "gdbus", "gnome-keyring-daemon"] as const

const missing = PROGRAMS.filter((program) =>
  ChildProcess.spawnSync(program, ["--version"], { stdio: "ignore" }).error !== undefined
)

/**
 * Whether this machine has what it takes.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isInstalled = process.platform === "linux" && missing.length === 0

/**
 * Says on stderr that tests are skipped for want of a keyring, and how to get one. Says nothing where there is one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const explain = (): void => {
  if (!isInstalled) {
    process.stderr.write(
      `tests with a real keyring are skipped, for want of ${
        missing.join(", ")
      }: apt-get install gnome-keyring dbus libglib2.0-bin\n`
    )
  }
}

/**
 * A program of the session did not start or did not do as it was told.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionFailed extends Data.TaggedError("SessionFailed")<{ readonly message: string }> {}

/**
 * One session.
 *
 * @since 0.1.0
 * @category models
 */
export interface GnomeKeyring {
  /** What a process of this session has in its environment. */
  readonly environment: Readonly<Record<string, string>>
  /** The directory in which the keyring keeps its files. */
  readonly directory: string
  /** Locks the collection. No person is there to unlock it: every caller is refused. */
  readonly lock: Effect.Effect<void, SessionFailed>
  /** Stops it: a caller gets no answer. */
  readonly freeze: Effect.Effect<void>
  /** Lets a stopped one go on. */
  readonly thaw: Effect.Effect<void>
  /** Kills it and waits for its end. It is not started again. */
  readonly kill: Effect.Effect<void>
  /** Starts it, unlocked, after it was killed; ends one that runs before. */
  readonly restart: Effect.Effect<void, SessionFailed>
}

/** No service directory: what is killed stays dead. */
const busConfiguration = (directory: string) =>
  `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=${directory}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

const PASSWORD = "a private session's password"

const COLLECTION = "/org/freedesktop/secrets/collection/login"

interface Daemon {
  readonly child: ChildProcess.ChildProcess
  readonly ended: Promise<void>
}

const start = (program: string, args: ReadonlyArray<string>, env: Record<string, string>): Daemon => {
  const child = ChildProcess.spawn(program, args, { env, stdio: ["pipe", "pipe", "ignore"] })
  child.stdin!.on("error", () => {})
  return {
    child,
    ended: new Promise((resolve) => {
      child.once("exit", () => resolve())
      child.once("error", () => resolve())
    })
  }
}

const end = ({ child, ended }: Daemon): Effect.Effect<void> =>
  Effect.promise(() => {
    // A stopped process is killed all the same.
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
    return ended
  })

const firstLine = (daemon: Daemon): Effect.Effect<string, SessionFailed> =>
  Effect.async((resume) => {
    let text = ""
    daemon.child.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (text.includes("\n")) resume(Effect.succeed(text.split("\n", 1)[0]!))
    })
    void daemon.ended.then(() => resume(new SessionFailed({ message: `${daemon.child.spawnfile} did not start` })))
  })

const run = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.async<void, SessionFailed>((resume) => {
    ChildProcess.execFile(program, args, { env }, (error, _, stderr) => {
      resume(error === null ? Effect.void : new SessionFailed({ message: `${program}: ${stderr}` }))
    })
  })

/**
 * Starts a session with an empty, unlocked keyring. All of it ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<GnomeKeyring, SessionFailed, Scope.Scope> = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-keyring-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  )
  const runtime = join(directory, "run")
  const data = join(directory, "data")
  for (const path of [runtime, data]) mkdirSync(path, { mode: 0o700 })
  const configuration = join(directory, "bus.conf")
  writeFileSync(configuration, busConfiguration(runtime))

  const bare = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    XDG_RUNTIME_DIR: runtime,
    XDG_DATA_HOME: data,
    XDG_CONFIG_HOME: data,
    XDG_CACHE_HOME: data
  }
  const bus = yield* Effect.acquireRelease(
    Effect.sync(() =>
      start("dbus-daemon", [`--config-file=${configuration}`, "--nofork", "--nopidfile", "--print-address=1"], bare)
    ),
    end
  )
  const environment = { ...bare, DBUS_SESSION_BUS_ADDRESS: yield* firstLine(bus) }

  let daemon: Daemon | undefined
  const kill = Effect.suspend(() => {
    const running = daemon
    daemon = undefined
    return running === undefined ? Effect.void : end(running)
  })
  const restart = Effect.gen(function*() {
    yield* kill
    daemon = start(
      "gnome-keyring-daemon",
      ["--foreground", "--unlock", "--components=secrets", `--control-directory=${runtime}`],
      environment
    )
    daemon.child.stdin!.end(PASSWORD)
    // By then the bus knows, too, that the one before is gone.
    yield* firstLine(daemon)
    yield* run("gdbus", ["wait", "--session", "--timeout", "30", "org.freedesktop.secrets"], environment)
  })
  yield* Effect.addFinalizer(() => kill)
  yield* restart
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void daemon?.child.kill(name))

  return {
    environment,
    directory: data,
    lock: run("dbus-send", [
      "--session",
      "--print-reply",
      "--dest=org.freedesktop.secrets",
      "/org/freedesktop/secrets",
      "org.freedesktop.Secret.Service.Lock",
      `array:objpath:${COLLECTION}`
    ], environment),
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT"),
    kill,
    restart
  }
})
