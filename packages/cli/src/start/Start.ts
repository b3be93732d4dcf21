/**
 * What the command begins with: answers a usable stored token, waits for another process's refresh, or takes the tenant's lock
 * and hands it to the program; everything else is the program's from the first.
 *
 * @since 0.1.0
 */
import * as SourceVariables from "@lockstep/oauth/SourceVariables"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as Stream from "node:stream"
import type * as HelpProgram from "../HelpProgram.js"
import type { HelpBook } from "../line/HelpPage.js"
import * as PlainName from "../line/PlainName.js"
import type * as LookProgram from "../LookProgram.js"
import type * as Program from "../Program.js"
import type * as RefreshProgram from "../RefreshProgram.js"
import * as Locale from "../terminal/Locale.js"
import * as TokenText from "../token/TokenText.js"
import type * as FastExec from "./FastExec.js"
import * as FastHome from "./FastHome.js"
import type * as FastKeeper from "./FastKeeper.js"
import * as FastLine from "./FastLine.js"
import * as FastSettings from "./FastSettings.js"
import type * as FastTurn from "./FastTurn.js"
import type { HandOver } from "./HandOver.js"
import * as KeeperTurn from "./KeeperTurn.js"
import * as LookLine from "./LookLine.js"

/**
 * What the start is given by what loaded it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loader {
  /** Loads a program, with the code that is kept of it for a kind of command. */
  readonly load: (kind: string, chunk: string) => unknown
  /** Loads what lies beside the bundle and has no kept code. */
  readonly beside: NodeRequire
}

/** What `lockstep` does behind these words is worth code of its own. */
const KINDS = ["status", "doctor", "token", "serve"]

const kindOf = (args: ReadonlyArray<string>): string =>
  args.length === 0 ? "status" : KINDS.find((one) => args.includes(one)) ?? "other"

const HELP = new Set(["--help", "-h", "help"])

/** Set before anything else runs. */
let loader!: Loader

/** Writes it, and answers whether nothing of it is left to be written. */
const write = (text: string): boolean => {
  let bytes = Buffer.from(text)
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Fs.writeSync(1, bytes))
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // A full pipe that does not block: Node's own stream waits for its reader.
    if (code === "EAGAIN") process.stdout.write(bytes)
    else if (code !== "EPIPE") throw error
    return false
  }
}

const program = (args: ReadonlyArray<string>): void => {
  const help = args.some((arg) => HELP.has(arg))
    ? (loader.beside("./help.js") as typeof HelpProgram).main(loader.beside("./help.json") as HelpBook, args)
    : undefined
  if (help !== undefined) return void write(help)
  const look = LookLine.parse(args)
  if (look !== undefined) {
    return (loader.load(look.command === "doctor" ? "doctor" : "status", "look.js") as typeof LookProgram).main(look)
  }
  ;(loader.load(kindOf(args), "program.js") as typeof Program).main()
}

const handOver = (work: HandOver): void => (loader.load("refresh", "refresh.js") as typeof RefreshProgram).main(work)

/** A variable that is set may come before the stored token; whether it counts is the program's to say. */
const isFromEnvironment = (tenant: string): boolean =>
  SourceVariables.of(tenant).some(({ name }) => process.env[name] !== undefined)

const SECRET_LIMIT = 64 * 1024

/**
 * The rejected token out of standard input; nothing where the program has to say what is wrong with it. The program finds
 * there what was read here.
 */
const readRejected = async (): Promise<string | undefined> => {
  const { stdin } = process
  if (stdin.isTTY) return undefined
  const chunks: Array<Buffer> = []
  let size = 0
  try {
    for await (const chunk of stdin) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size > SECRET_LIMIT) break
    }
  } catch {
    return undefined
  }
  const bytes = Buffer.concat(chunks)
  const { Readable } = require("node:stream") as typeof Stream
  Object.defineProperty(process, "stdin", { value: Readable.from([bytes]), configurable: true })
  const rejected = bytes.toString("utf8").replace(/\r?\n$/, "")
  return size > SECRET_LIMIT || rejected === "" ? undefined : rejected
}

/** Whether the home has its locks where this process was told. A pin names a directory by its real path. */
const agreesOnLocks = (pinned: string | undefined, told: string | undefined): boolean => {
  try {
    return pinned === (told === undefined ? undefined : Fs.realpathSync(told))
  } catch {
    return false
  }
}

const ENDING = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** While it waits, a signal ends the process as it ends the program. It holds nothing. */
const listen = (): () => void => {
  const listeners = Object.entries(ENDING).map(([signal, code]) => {
    const listener = () => process.exit(code)
    process.on(signal, listener)
    return () => process.off(signal, listener)
  })
  return () => listeners.forEach((stop) => stop())
}

/** Prints it and ends: closing what was open, one by one, costs a start as much again as its answer. */
const print = (found: TokenText.TokenText, { format }: FastLine.FastLine, store: string | null): void => {
  if (write(`${TokenText.render(found, { format, source: "stored", store, now: Date.now() })}\n`)) process.exit()
}

/** Asks the keeper; what it takes is loaded then. */
const keeper = (
  line: FastLine.FastLine,
  settings: FastSettings.FastSettings,
  rejected: string | undefined
): Promise<FastKeeper.Outcome> =>
  (loader.beside("./keeper.js") as typeof FastKeeper).ask(KeeperTurn.question(settings, {
    tenant: line.tenant,
    minTtl: line.minTtl,
    rejected,
    leaveAfter: line.maxWait === undefined ? undefined : Math.max(0, line.maxWait - performance.now() - START)
  }, process.env))

/** What the program keeps back of `--max-wait` for its own start. */
const START = 500

/** The files of the home; nothing where there is none, or the program has to say what is wrong with it. */
const homeOf = ({ home }: FastSettings.FastSettings): FastHome.FastHome | undefined => {
  try {
    return home === undefined ? undefined : FastHome.make(home)
  } catch {
    return undefined
  }
}

const token = async (line: FastLine.FastLine, settings: FastSettings.FastSettings): Promise<void> => {
  const args = process.argv.slice(2)
  const isKeeperNamed = KeeperTurn.named(process.env) !== undefined
  // Beside a keeper that was named the home may never be needed.
  const home = isKeeperNamed ? undefined : homeOf(settings)
  if (home === undefined && !isKeeperNamed) return program(args)
  const rejected = line.rejectedStdin ? await readRejected() : undefined
  if (line.rejectedStdin && rejected === undefined) return program(args)

  const refuse = (refusal: HandOver["refusal"]): void =>
    handOver({ command: "token", line, rejected, refusal, lock: undefined })
  /** Whether the keeper had the last word. */
  const isLeftToKeeper = async (account?: string): Promise<boolean> => {
    const outcome = await keeper(line, settings, rejected)
    switch (outcome._tag) {
      case "None":
        return false
      case "Late":
        program(args)
        return true
      case "Told":
        refuse(outcome)
        return true
      case "Token": {
        const { store, token: found } = outcome
        const other = found.account?.id ?? undefined
        if (account !== undefined && other !== undefined && other !== account) {
          refuse({ _tag: "OtherAccount", from: account, to: other })
        } else print(found, line, store)
        return true
      }
    }
  }
  if (isKeeperNamed && await isLeftToKeeper()) return
  const own = home ?? homeOf(settings)
  if (own === undefined) return program(args)
  await ofHome(line, settings, {
    home: own,
    rejected,
    refuse,
    isLeftToKeeper: isKeeperNamed ? undefined : isLeftToKeeper
  })
}

/** The start's own way to a token, out of the files of the home. */
const ofHome = async (line: FastLine.FastLine, settings: FastSettings.FastSettings, start: {
  readonly home: FastHome.FastHome
  readonly rejected: string | undefined
  readonly refuse: (refusal: HandOver["refusal"]) => void
  /** Asks the keeper, where it was not asked yet. */
  readonly isLeftToKeeper: ((account?: string) => Promise<boolean>) | undefined
}): Promise<void> => {
  const args = process.argv.slice(2)
  const { home, isLeftToKeeper, refuse, rejected } = start

  const demand = {
    tenant: line.tenant,
    minTtl: line.minTtl ?? 0,
    rejected,
    margin: settings.margin,
    account: undefined
  }
  const leave = (): void => program(args)

  const first = home.judge(demand)
  if (first._tag === "Serve") return print(first.token, line, home.store)
  if (first._tag === "Gone" || first._tag === "OtherAccount") return leave()
  if (!agreesOnLocks(home.lockDirectory(), settings.lockDirectory)) return leave()
  if (
    isLeftToKeeper !== undefined && settings.home !== undefined && KeeperTurn.isBeside(settings.home) &&
    await isLeftToKeeper(first._tag === "Refresh" ? first.account : undefined)
  ) return
  if (first._tag === "Doubt") return leave()
  const { EarlyLock, FastWait } = require("./turn.js") as typeof FastTurn
  const lock = EarlyLock.make({
    store: home.store,
    tenant: PlainName.tenantId(line.tenant),
    lockDirectory: settings.lockDirectory ?? Path.dirname(home.store),
    trustRemote: settings.trustLocks,
    from: __filename
  })
  if (lock === undefined) return leave()

  const expected = { ...demand, account: first.account }
  const stop = listen()
  const ending = await FastWait.wait({
    home,
    demand: expected,
    lock,
    staleWait: first.settle === undefined ? undefined : settings.staleWait,
    timeout: settings.lockTimeout,
    leaveAfter: line.maxWait === undefined ? undefined : Math.max(0, line.maxWait - performance.now() - START)
  })
  const onOtherAccount = (account: string): void =>
    refuse({ _tag: "OtherAccount", from: first.account ?? "?", to: account })

  // The program listens as soon as it is called; what it is called with is held until then.
  try {
    switch (ending._tag) {
      case "Served":
      case "Settled":
        return print(ending.token, line, home.store)
      case "Gone":
        return refuse({ _tag: "Removed" })
      case "OtherAccount":
        return onOtherAccount(ending.account)
      case "TimedOut":
        return refuse({ _tag: "LockTimeout", waited: ending.waited })
      case "Left":
        return leave()
      case "Held": {
        const { fd } = ending
        // I2: the locked read decides.
        const found = home.judge(expected)
        if (found._tag === "Serve") {
          lock.unlock(fd)
          return print(found.token, line, home.store)
        }
        if (found._tag === "Gone" || found._tag === "OtherAccount") {
          lock.unlock(fd)
          return found._tag === "Gone" ? refuse({ _tag: "Removed" }) : onOtherAccount(found.account)
        }
        // A refresh that may outlast this process is made by another one.
        if (line.maxWait !== undefined) {
          lock.unlock(fd)
          return leave()
        }
        return handOver({ command: "token", line, rejected, refusal: undefined, lock: { path: lock.path, fd } })
      }
    }
  } finally {
    stop()
  }
}

/** Where `exec` begins by itself: there is a home to look into, or a keeper to ask. */
const isExec = (args: ReadonlyArray<string>): boolean =>
  process.platform !== "win32" && args.includes("exec") && !args.some((arg) => HELP.has(arg))

const run = async (): Promise<void> => {
  const args = process.argv.slice(2)
  if (isExec(args) && await (loader.beside("./exec.js") as typeof FastExec).main(args, handOver)) return
  const line = process.platform === "win32" ? undefined : FastLine.parse(args)
  const settings = line === undefined ? undefined : FastSettings.read(line, process.env)
  return line === undefined || settings === undefined || !line.storedOnly && isFromEnvironment(line.tenant)
    ? program(args)
    : token(line, settings)
}

const EXHAUSTED = new Set(["EMFILE", "ENFILE"])

/** The words of what comes before the program, which has the words of everything else. Nothing was sent by then. */
const giveUp = (error: unknown): never => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "UNKNOWN"
  const [message, advice] = EXHAUSTED.has(code)
    ? [`this process may open no more files (${code})`, "allow more, such as with `ulimit -n 256`; nothing was spent"]
    : [`the program cannot be loaded (${code})`, "reinstall lockstep; nothing was spent"]
  const wantsJson = process.argv.some((arg, index, args) =>
    arg === "--json" || arg === "--format=json" || arg === "json" && args[index - 1] === "--format"
  )
  const [stream, text] = wantsJson
    ? [1, JSON.stringify({ error: { _tag: "Unexpected", message, advice, exit_code: 1 } })]
    : [2, `lockstep: ${message}\n${Locale.isAscii(process.env) ? "->" : "→"} ${advice}`]
  try {
    Fs.writeSync(stream, `${text}\n`)
  } catch {
    // The exit code is left.
  }
  process.exit(1)
}

/**
 * Runs the command that this process was started with.
 *
 * @since 0.1.0
 * @category combinators
 */
export const main = (given: Loader): void => {
  loader = given
  run().catch(giveUp)
}
